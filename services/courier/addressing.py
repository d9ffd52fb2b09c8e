"""What an addressee says in plain and must not enter a command so: another address, sealed before anything else.

It reads and seals only; this module must never look at a document.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chassis.decision import Reject
from chassis.sealing import Keyring
from contracts.numbers import check_mobile
from services.courier.parcel.state import Readdress


class NewAddress(BaseModel):
    """改址 as it comes, in plain; nothing of it is ever shown, logged or kept so."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"address": "安徽省亳州市谯城区希夷大道 1 号", "phone": "14400000001"}]},
    )
    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=200)] = Field(repr=False)
    phone: str | None = Field(None, max_length=20, repr=False)
    same_city: bool | None = None

    def sealed(self, keyring: Keyring, case: str) -> Readdress:
        """Under the names under which the order opens it. Raises Reject `mobile_format`."""
        wrong = check_mobile(self.phone, "phone") if self.phone is not None else None
        if wrong is not None:
            raise Reject.of((wrong,))
        return Readdress(
            mark=keyring.tag(f"{case}:address/{self.address}/{self.phone}"),
            address=keyring.seal(self.address, f"{case}:address"),
            phone=keyring.seal(self.phone, f"{case}:phone") if self.phone else None,
            same_city=self.same_city,
        )
