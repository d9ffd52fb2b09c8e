"""Fields that the answers of several services have in common, each with a sample for `/docs`.

Types as pydantic reads them, and one word for examples; this module must never import a service, a store or a bus.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from contracts.words import Unit

Case = Annotated[str, Field(description="办件标识", examples=["7c2f6d1e-93a4-5b0d-8f21-6a0c4be2d915"])]
Number = Annotated[str, Field(description="办件编号", examples=["34160220260212WHD9YHF3C"])]
ItemCode = Annotated[str, Field(description="事项编码", examples=["SJ-SPJY"])]
Title = Annotated[str, Field(description="事项名称", examples=["食品经营许可(餐饮)"])]
Department = Annotated[str, Field(description="部门", examples=["市场监督管理局"])]
Staff = Annotated[str, Field(description="工号, 不是姓名", examples=["sj-window-1"])]
Moment = Annotated[datetime, Field(examples=["2026-02-12T09:30:00+08:00"])]
Day = Annotated[date, Field(examples=["2026-02-12"])]
Code = Annotated[str, Field(description="材料或表单项的代码", examples=["business_place"])]
Sha256 = Annotated[
    str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"], pattern=r"^[0-9a-f]{64}$")
]
Waybill = Annotated[str, Field(description="运单号", examples=["1104938274016"])]
Label = Annotated[str, Field(description="给人看的中文", examples=["已收件"])]
Version = Annotated[int, Field(description="内容的版本, 可用于 If-Match", examples=[3])]
Next = Annotated[
    str | None, Field(description="下一页的标记 `after`; null 为最后一页", examples=["WyIyMDI2LTAyLTEyIiwiN2MyZiJd"])
]
USUALLY_NOTHING = Field(examples=[None])
"""Of a field that most answers leave null."""


class Duration(TypedDict):
    """期限: so many of a unit."""

    n: Annotated[int, Field(examples=[10])]
    unit: Annotated[Unit, Field(examples=["workday"])]


def like(example: Any) -> ConfigDict:
    """The `model_config` of a body that looks like this; the rest it has from its parent."""
    return ConfigDict(json_schema_extra={"examples": [example]})
