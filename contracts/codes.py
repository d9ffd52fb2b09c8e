"""How each edge writes our words: national codes, exchange codes and couriers' opcodes, with their sources.

Data only; this module must never be needed inside the suite, where words are words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from contracts.words import (
    AuthorityNature,
    CaseResult,
    Channel,
    ExerciseLevel,
    Grade,
    HandlingType,
    ItemKind,
    ParcelScan,
    ServiceObject,
    Word,
)

W = TypeVar("W", bound=Word)


class Unmapped(LookupError):
    """An edge has no code for this word, or no word stands behind this code."""


class CodeList(Generic[W]):
    """How one edge writes one list of words.

    `pairs` are (code, word); where several codes mean one word, or several words share one code, the first pair
    listed is the one used for translating. A city that has agreed other codes uses `amended`.
    """

    def __init__(self, source: str, pairs: Iterable[tuple[str, W]]) -> None:
        self.source = source
        self.pairs = tuple(pairs)
        self._codes: dict[W, str] = {}
        self._words: dict[str, W] = {}
        for code, word in self.pairs:
            self._codes.setdefault(word, code)
            self._words.setdefault(code, word)

    def encode(self, word: W) -> str:
        """The edge's code. Raises Unmapped where the edge knows no such thing."""
        try:
            return self._codes[word]
        except KeyError:
            raise Unmapped(f"{self.source}: no code for {word!s}") from None

    def decode(self, code: str) -> W:
        """The word behind a code. Raises Unmapped, which repeats no input."""
        try:
            return self._words[code]
        except KeyError:
            raise Unmapped(f"{self.source}: unknown code") from None

    def amended(self, source: str, pairs: Iterable[tuple[str, W]]) -> CodeList[W]:
        """The same list with some pairs put before it."""
        return CodeList(source, (*pairs, *self.pairs))


GRADE_GB: Final = CodeList("GB/T 39046—2020 A.8", ((str(i), grade) for i, grade in enumerate(Grade, 1)))
"""1 = 非常满意 … 5 = 非常不满意."""


GRADE_EXCHANGE: Final = CodeList(
    "好差评 exchange, satisfaction", ((str(6 - i), grade) for i, grade in enumerate(Grade, 1))
)
"""5 = 非常满意 … 1 = 非常不满意; values below 3 require evalDetail or writingEvaluation."""


CHANNEL_PF: Final = CodeList(
    "好差评 exchange, pf (浙江 1 to 7; 山东 1 to 5)",
    (
        ("1", Channel.PORTAL),
        ("2", Channel.APP),
        ("2", Channel.WECHAT),
        ("3", Channel.QR),
        ("4", Channel.TABLET),
        ("5", Channel.KIOSK),
        ("5", Channel.WINDOW),
        ("6", Channel.SMS),
        ("7", Channel.DEFAULT),
    ),
)
"""1 PC, 2 移动端, 3 二维码, 4 大厅平板, 5 大厅其他终端, 6 短信, 7 系统默认评价. The list has no code for the telephone,
although GB/T 39046 names it: a city that reports hotline ratings amends the list with what its province agreed."""


CHANNEL_GB: Final = CodeList(
    "GB/T 39046—2020 A.5 办理形式",
    (
        ("1", Channel.WINDOW),
        ("2", Channel.PORTAL),
        ("3", Channel.APP),
        ("3", Channel.WECHAT),
        ("3", Channel.QR),
        ("4", Channel.POST),
        ("9", Channel.KIOSK),
        ("9", Channel.AGENT),
        ("9", Channel.SMS),
        ("9", Channel.HOTLINE),
        ("9", Channel.PROVINCE),
    ),
)
"""1 窗口, 2 电脑端, 3 移动端, 4 快递申请, 9 其他."""


ITEM_KIND_GB: Final = CodeList(
    "GB/T 39046—2020 A.1 事项类型",
    (
        ("01", ItemKind.LICENCE),
        ("02", ItemKind.PENALTY),
        ("03", ItemKind.ENFORCEMENT),
        ("04", ItemKind.LEVY),
        ("05", ItemKind.BENEFIT),
        ("06", ItemKind.INSPECTION),
        ("07", ItemKind.CONFIRMATION),
        ("08", ItemKind.AWARD),
        ("09", ItemKind.RULING),
        ("10", ItemKind.OTHER_POWER),
        ("20", ItemKind.PUBLIC_SERVICE),
        ("20", ItemKind.PAYMENT),
    ),
)
"""Bundles are reported child by child; appeals, tickets and the like are no 办件 of this standard."""


HANDLING_GB: Final = CodeList(
    "GB/T 39046—2020 A.6 办件类型",
    (("1", HandlingType.INSTANT), ("2", HandlingType.PROMISED), ("9", HandlingType.OTHER)),
)


HANDLING_EXCHANGE: Final = CodeList(
    "好差评 exchange, promiseTime as in GB (山东)",
    (("1", HandlingType.INSTANT), ("2", HandlingType.PROMISED)),
)
"""One province's published list numbers them the other way round (承诺 1, 即办 2); this one follows the standard."""


SERVICE_OBJECT_GB: Final = CodeList(
    "GB/T 39046—2020 A.4 服务对象", ((str(i), word) for i, word in enumerate(ServiceObject, 1))
)


EXERCISE_LEVEL_GB: Final = CodeList(
    "GB/T 39046—2020 A.2 行使层级", ((str(i), word) for i, word in enumerate(ExerciseLevel, 1))
)
"""Also the nineteenth character of the 31-character implementation code 实施编码."""


AUTHORITY_NATURE_GB: Final = CodeList(
    "GB/T 39046—2020 A.3 主体性质",
    (
        ("1", AuthorityNature.STATUTORY),
        ("2", AuthorityNature.AUTHORISED),
        ("3", AuthorityNature.ENTRUSTED),
        ("9", AuthorityNature.OTHER),
    ),
)


CASE_RESULT_SHANDONG: Final = CodeList(
    "山东 电子监察 办结结果",
    (
        ("0", CaseResult.ISSUED),
        ("0", CaseResult.COMPLETED),
        ("1", CaseResult.DENIED),
        ("2", CaseResult.VOIDED),
        ("3", CaseResult.DELETED),
        ("4", CaseResult.FORWARDED),
        ("5", CaseResult.LAPSED),
        ("5", CaseResult.WITHDRAWN),
        ("6", CaseResult.REFUSED),
    ),
)
"""0 出证办结, 1 不予许可, 2 作废, 3 删除, 4 转报, 5 退件(长期不补正或主动放弃), 6 不予受理."""


CASE_RESULT_SHANDONG_REASONED: Final = frozenset("12345")
"""Codes that Shandong takes only together with a reason."""


CASE_RESULT_GUANGDONG: Final = CodeList(
    "广东 办结结果",
    (
        ("0", CaseResult.ISSUED),
        ("1", CaseResult.DENIED),
        ("1", CaseResult.WITHDRAWN),
        ("2", CaseResult.VOIDED),
        ("3", CaseResult.DELETED),
        ("4", CaseResult.FORWARDED),
        ("5", CaseResult.LAPSED),
        ("6", CaseResult.COMPLETED),
    ),
)
"""0 出证, 1 退回, 2 作废, 3 删除, 4 转报, 5 补正超时驳回, 6 办结. A refusal is no 办结 there:
its 受理 record says 2."""


SCAN_EMS: Final = CodeList(
    "EMS trace, opCode",
    (
        ("203", ParcelScan.POSTED),
        ("306", ParcelScan.MOVED),
        ("389", ParcelScan.MOVED),
        ("912", ParcelScan.MOVED),
        ("954", ParcelScan.MOVED),
        ("702", ParcelScan.OUT_FOR_DELIVERY),
        ("704", ParcelScan.DELIVERED),
        ("705", ParcelScan.ATTEMPTED),
        ("708", ParcelScan.RETURNING),
        ("709", ParcelScan.RETURNED),
    ),
)
"""203 收寄, 306 揽投解车, 389 处理中心封车, 912 航班降落, 954 到达处理中心, 702 下段(派送), 704 妥投,
705 未妥投. 203 is from memory, and no source of ours shows 708 退回 and 709 退回妥投: a city checks these three against
the partner's own table of about 195. An unknown code is a movement that changes no state, never an error; a 704 after
a 708 is the sender's."""


SCAN_EMS_LEGACY: Final = CodeList(
    "EMS trace push (listexpressmail), action",
    (
        ("00", ParcelScan.POSTED),
        ("60", ParcelScan.PICKED_UP),
        ("30", ParcelScan.MOVED),
        ("40", ParcelScan.MOVED),
        ("41", ParcelScan.MOVED),
        ("50", ParcelScan.MOVED),
        ("51", ParcelScan.OUT_FOR_DELIVERY),
        ("10", ParcelScan.DELIVERED),
        ("20", ParcelScan.ATTEMPTED),
    ),
)
"""00 收寄, 10 妥投, 20 未妥投, 30 经转, 40 离开, 41 到达处理中心, 50 安排投递, 51 正在投递, 60 揽收."""


SCAN_KUAIDI100: Final = CodeList(
    "快递100 push, state",
    (
        ("1", ParcelScan.POSTED),
        ("0", ParcelScan.MOVED),
        ("7", ParcelScan.MOVED),
        ("8", ParcelScan.MOVED),
        ("10", ParcelScan.MOVED),
        ("11", ParcelScan.MOVED),
        ("12", ParcelScan.MOVED),
        ("5", ParcelScan.OUT_FOR_DELIVERY),
        ("3", ParcelScan.DELIVERED),
        ("14", ParcelScan.REFUSED),
        ("6", ParcelScan.RETURNING),
        ("4", ParcelScan.RETURNED),
        ("2", ParcelScan.TROUBLE),
        ("13", ParcelScan.TROUBLE),
    ),
)
"""0 在途, 1 揽收, 2 疑难, 3 签收, 4 退签, 5 派件, 6 退回, 7 转单, 8 and 10 to 13 清关, 14 拒签."""


SCAN_SF: Final = CodeList("顺丰 RoutePushService, opCode", (("50", ParcelScan.POSTED), ("80", ParcelScan.DELIVERED)))
"""50 收件, 80 签收; every other code counts as a movement."""
