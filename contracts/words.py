"""The closed vocabularies of Tongban with their Chinese labels.

Inside only these words are used, codes of the edges stand in `contracts.codes`; this module imports nothing of ours.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Self, TypeVar


class Word(StrEnum):
    """A word of a closed list; its value travels in events, `label_zh` is what a citizen reads."""

    label_zh: str
    if not TYPE_CHECKING:
        # Of itself a member computes its value in Python on every access; every event encoded asks for several.
        value = property(attrgetter("_value_"))

    def __new__(cls, value: str, label_zh: str) -> Self:
        word = str.__new__(cls, value)
        word._value_ = value
        word.label_zh = label_zh
        return word


W = TypeVar("W", bound=Word)


# ------------------------------------------------------------------------------------------------ rating 好差评


class Grade(Word):
    """The five grades of GB/T 39734 and GB/T 39046—2020 A.8. Two national codings number them in opposite
    directions, so a bare number means nothing: see GRADE_GB and GRADE_EXCHANGE."""

    VERY_SATISFIED = "very_satisfied", "非常满意"
    SATISFIED = "satisfied", "满意"
    FAIRLY_SATISFIED = "fairly_satisfied", "基本满意"
    DISSATISFIED = "dissatisfied", "不满意"
    VERY_DISSATISFIED = "very_dissatisfied", "非常不满意"

    @property
    def bad(self) -> bool:
        """差评: the last two grades, which must be called back and rectified."""
        return self in (Grade.DISSATISFIED, Grade.VERY_DISSATISFIED)

    @classmethod
    def parse_reply(cls, text: str) -> Grade | None:
        """The grade that an SMS reply states: one of the five words, a digit with 1 = 非常满意 (the order in which the
        invitation lists them), or both in agreement. None for anything else: 「不太满意」 is no grade."""
        plain = re.sub(r"[\s,.。、!:;()\-_~]+", "", unicodedata.normalize("NFKC", text))
        found = re.fullmatch(r"([1-5]?)([^0-9]*)", plain)
        if not found or not plain:
            return None
        digit, label = found.groups()
        by_digit = tuple(cls)[int(digit) - 1] if digit else None
        by_label = next((grade for grade in cls if grade.label_zh == label), None)
        if not label:
            return by_digit
        return by_label if by_digit in (None, by_label) else None


class Channel(Word):
    """How an application, a rating or a complaint reached us."""

    PORTAL = "portal", "网上大厅"
    APP = "app", "手机APP"
    WECHAT = "wechat", "微信"
    QR = "qr", "二维码"
    KIOSK = "kiosk", "自助终端"
    WINDOW = "window", "政务大厅窗口"
    TABLET = "tablet", "窗口评价器"
    AGENT = "agent", "代办点"
    POST = "post", "快递申请"
    SMS = "sms", "短信"
    HOTLINE = "hotline", "12345热线"
    PROVINCE = "province", "省级平台"
    DEFAULT = "default", "系统默认"


# -------------------------------------------------------------------------------------- items and cases 事项, 办件


class ItemKind(Word):
    """事项类型: those of GB/T 39046—2020 A.1, and the kinds beside applications that a city runs on the same rails."""

    LICENCE = "licence", "行政许可"
    PENALTY = "penalty", "行政处罚"
    ENFORCEMENT = "enforcement", "行政强制"
    LEVY = "levy", "行政征收"
    BENEFIT = "benefit", "行政给付"
    INSPECTION = "inspection", "行政检查"
    CONFIRMATION = "confirmation", "行政确认"
    AWARD = "award", "行政奖励"
    RULING = "ruling", "行政裁决"
    OTHER_POWER = "other_power", "其他行政权力"
    PUBLIC_SERVICE = "public_service", "公共服务"
    BUNDLE = "bundle", "一件事一次办"
    PAYMENT = "payment", "便民缴费"
    APPEAL = "appeal", "政企直通车诉求"
    TICKET = "ticket", "12345工单"
    PROPOSAL = "proposal", "群众点菜"
    COMPLAINT = "complaint", "投诉"
    INCIDENT = "incident", "数字城管"
    CONSULTATION = "consultation", "咨询"


class HandlingType(Word):
    """办件类型."""

    INSTANT = "instant", "即办件"
    PROMISED = "promised", "承诺件"
    OTHER = "other", "其他"


class ServiceObject(Word):
    """服务对象."""

    PERSON = "person", "自然人"
    ENTERPRISE = "enterprise", "企业法人"
    INSTITUTION = "institution", "事业法人"
    ASSOCIATION = "association", "社会组织"
    AUTHORITY = "authority", "行政机关"
    OTHER = "other", "其他"


class ExerciseLevel(Word):
    """行使层级."""

    NATION = "nation", "国家级"
    PROVINCE = "province", "省级"
    CITY = "city", "市级"
    COUNTY = "county", "县级"
    TOWN = "town", "镇(乡、街道)级"
    VILLAGE = "village", "村(社区)级"
    SHARED = "shared", "分级管理"


class AuthorityNature(Word):
    """主体性质."""

    STATUTORY = "statutory", "法定机关"
    AUTHORISED = "authorised", "授权组织"
    ENTRUSTED = "entrusted", "受委托组织"
    OTHER = "other", "其他"


class CaseResult(Word):
    """办结结果: how a case ended. There is no national list, so ours is the finest and the provinces' are mapped."""

    ISSUED = "issued", "出证办结"
    COMPLETED = "completed", "办结"
    DENIED = "denied", "不予许可"
    REFUSED = "refused", "不予受理"
    LAPSED = "lapsed", "逾期未补正视为放弃"
    WITHDRAWN = "withdrawn", "申请人撤回"
    FORWARDED = "forwarded", "转报办结"
    VOIDED = "voided", "作废"
    DELETED = "deleted", "删除"


class AcceptanceRule(Word):
    """What happens when the window stays silent about an application (domain rule 9)."""

    LICENCE = "licence", "行政许可法第三十二条:五个工作日内不告知即视为受理"
    ON_SPOT = "on_spot", "不动产登记暂行条例第十七条:当场未告知即视为受理"
    GUIDE = "guide", "按办事指南"
    AUTO = "auto", "系统自动受理"


# ---------------------------------------------------------------------------------------------------- clocks 时限


class Unit(Word):
    """What a limit counts. `date` is a day named beforehand, such as a commitment's."""

    WORKDAY = "workday", "工作日"
    DAY = "day", "自然日"
    HOUR = "hour", "小时"
    MONTH = "month", "个月"
    DATE = "date", "指定日期"


class LimitKind(Word):
    """Which clock a limit is; the letters in comments are those of the domain specification."""

    CHECK = "check", "受理审查时限"  # K
    CORRECTION = "correction", "补正时限"  # C
    ORIGINALS = "originals", "原件送交时限"  # O
    PAYMENT = "payment", "缴费时限"  # Q
    HANDOVER = "handover", "移交时限"
    LEGAL = "legal", "法定时限"  # L
    PROMISED = "promised", "承诺时限"  # P
    STEP = "step", "环节时限"  # S
    SPECIAL = "special", "特别程序时限"  # X
    ISSUE = "issue", "证件颁发时限"  # I
    PICKUP = "pickup", "上门揽收时限"  # U
    DELIVERY = "delivery", "寄递时限"  # D
    RATING = "rating", "评价期限"
    VERIFY = "verify", "差评核实时限"  # V
    RECTIFY = "rectify", "差评整改时限"  # R
    REPLY = "reply", "诉求答复时限"
    COMMITMENT = "commitment", "承诺事项兑现时限"
    STATEMENT = "statement", "情况说明时限"

    @property
    def of_citizen(self) -> bool:
        """C and O: the citizen's own clocks, which remind once and never charge anybody with being overdue."""
        return self in (LimitKind.CORRECTION, LimitKind.ORIGINALS)


class Level(Word):
    """How far a clock has run (电子监察); it never steps back from overdue to warning."""

    REMINDER = "reminder", "提醒"
    WARNING = "warning", "预警"
    OVERDUE = "overdue", "超时"


# -------------------------------------------------------------------------------------------------- delivery 寄递


class DeliveryMethod(Word):
    """How the result reaches the applicant."""

    EMS = "ems", "EMS邮寄"
    WINDOW = "window", "窗口领取"
    CABINET = "cabinet", "自助取件柜"
    AGENT = "agent", "代办员送达"
    ELECTRONIC = "electronic", "电子证照"
    MESSAGE = "message", "短信告知"

    @property
    def by_hand(self) -> bool:
        """Whether something on paper has to reach a person."""
        return self not in (DeliveryMethod.ELECTRONIC, DeliveryMethod.MESSAGE)


class Direction(Word):
    """Which way a parcel goes, seen from the authority."""

    OUT = "out", "结果寄出"
    IN = "in", "材料寄入"
    RETURN = "return", "原件退回"


class ParcelScan(Word):
    """What a courier's scan means, whatever the courier calls it."""

    PICKED_UP = "picked_up", "揽收"
    POSTED = "posted", "收寄"
    MOVED = "moved", "运输中"
    OUT_FOR_DELIVERY = "out_for_delivery", "派送中"
    DELIVERED = "delivered", "妥投"
    ATTEMPTED = "attempted", "未妥投"
    REFUSED = "refused", "拒收"
    RETURNING = "returning", "退回途中"
    RETURNED = "returned", "已退回"
    TROUBLE = "trouble", "疑难件"
