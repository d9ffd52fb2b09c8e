"""Numbers that citizens carry and quote: 身份证, 统一社会信用代码, mobile numbers, case numbers; checked, masked, made.

No result ever repeats the number it judges; this module must never import anything of ours but contracts.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import date
from typing import Final
from uuid import UUID

from contracts.event import Problem

# --------------------------------------------------------------------------------- resident identity number 身份证

IDENTITY_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
IDENTITY_CHECKS: Final = "10X98765432"


def check_identity(text: str, today: date, field: str | None = None) -> Problem | None:
    """The first thing wrong with an 18-character resident identity number (GB 11643), or None.

    Rules: `identity_format`, `identity_date` (no such day of birth), `identity_future` (born after `today`),
    `identity_check`. The first six digits are not compared with a table of places: places are merged and renamed,
    and residence permits (81, 82, 83) and permanent residence cards (9…) use codes of their own.
    """
    if not re.fullmatch(r"[1-9][0-9]{16}[0-9Xx]", text):
        return Problem(rule="identity_format", field=field, message="身份证号码应为18位,前17位为数字,末位为数字或X")
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return Problem(rule="identity_date", field=field, message="身份证号码中的出生日期不存在")
    if born > today:
        return Problem(rule="identity_future", field=field, message="身份证号码中的出生日期晚于今天")
    total = sum(weight * int(digit) for weight, digit in zip(IDENTITY_WEIGHTS, text[:17], strict=True))
    if IDENTITY_CHECKS[total % 11] != text[17].upper():
        return Problem(rule="identity_check", field=field, message="身份证号码校验位不正确,请核对")
    return None


def born_on(identity: str) -> date:
    """The day of birth in an identity number that `check_identity` has passed."""
    return date(int(identity[6:10]), int(identity[10:12]), int(identity[12:14]))


# ------------------------------------------------------------------------------ unified social credit code (GB 32100)

USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
USCC_PREFIXES: Final = frozenset(
    "11 12 13 19 21 29 31 32 33 34 35 39 41 49 51 52 53 54 55 59 61 62 69 71 72 79 81 89 91 92 93 "
    "A1 A9 N1 N2 N3 N9 Y1".split()
)
"""Registering authority and kind of body; unlike common validators these may contain a letter (N1, N2: villages'
collectives)."""


def check_uscc(text: str, field: str | None = None) -> Problem | None:
    """The first thing wrong with an 18-character 统一社会信用代码 (GB 32100—2015), or None.

    Rules: `uscc_format` (letters I O S V Z do not occur), `uscc_prefix`, `uscc_check`. Codes with a wrong check
    character have been issued, so staff may override `uscc_check`, and only that.
    """
    if not re.fullmatch(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", text):
        return Problem(
            rule="uscc_format", field=field, message="统一社会信用代码应为18位数字或大写字母(不含I、O、S、V、Z)"
        )
    if text[:2] not in USCC_PREFIXES:
        return Problem(rule="uscc_prefix", field=field, message="统一社会信用代码的登记管理部门或机构类别代码不存在")
    total = sum(weight * USCC_ALPHABET.index(char) for weight, char in zip(USCC_WEIGHTS, text[:17], strict=True))
    if USCC_ALPHABET[-total % 31] != text[17]:
        return Problem(rule="uscc_check", field=field, message="统一社会信用代码校验位不正确,请核对")
    return None


# ------------------------------------------------------------------------------------------------ telephone numbers


def check_mobile(text: str, field: str | None = None) -> Problem | None:
    """Rule `mobile_format`: eleven digits, 13 to 19. Deliberately wider than today's numbering plan, which grows."""
    if re.fullmatch(r"1[3-9][0-9]{9}", text):
        return None
    return Problem(rule="mobile_format", field=field, message="手机号码应为11位数字,以13至19开头")


def check_email(text: str, field: str | None = None) -> Problem | None:
    """Rule `email_format`: an address that mail servers everywhere take; dots stand between other characters."""
    if re.fullmatch(r"[A-Za-z0-9_%+-]+(\.[A-Za-z0-9_%+-]+)*@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}", text):
        return None
    return Problem(rule="email_format", field=field, message="电子邮箱地址格式不正确")


# ----------------------------------------------------------------------------------------------------- masking 脱敏

COMPOUND_SURNAMES: Final = frozenset(
    "欧阳 太史 端木 上官 司马 东方 独孤 南宫 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 公孙 慕容 "
    "仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 亓官 司寇 呼延 子车 颛孙 巫马 公西 漆雕 乐正 壤驷 公良 拓跋 夹谷 令狐 "
    "段干 百里 东郭 南门 西门 左丘 梁丘 第五 纳兰 完颜".split()
)


def mask_mobile(text: str) -> str:
    """138****5678: first three and last four. Anything shorter than a mobile number is hidden whole."""
    return _mask(text, 3, 4, 11)


def mask_identity(text: str) -> str:
    """341***********1234: first three and last four of an identity number or other certificate number."""
    return _mask(text, 3, 4, 15)


def mask_name(text: str) -> str:
    """张**: the family name stays, one of two characters too; a name of one character is hidden."""
    name = text.strip()
    if len(name) < 2:
        return "*" * len(name)
    keep = 2 if len(name) > 2 and name[:2] in COMPOUND_SURNAMES else 1
    return name[:keep] + "*" * (len(name) - keep)


def _mask(text: str, head: int, tail: int, least: int) -> str:
    if len(text) < least:
        return "*" * len(text)
    return text[:head] + "*" * (len(text) - head - tail) + text[-tail:]


# ------------------------------------------------------------------------------------------------ case numbers 办件编号

CASE_ALPHABET: Final = "23456789ACDEFGHJKMNPQRTUVWXYZ"
"""29 signs that survive handwriting and a telephone call: no 0 1 I L O, no B (8, D, P), no S (5, F). The number of
signs is prime, so the check character finds every wrong sign and every exchange of neighbours."""

CASE_TAIL: Final = 8
CASE_LENGTH: Final = 6 + 8 + CASE_TAIL + 1


def case_number(area: str, day: date, case_id: str) -> str:
    """The public number of a case: area (6 digits), date (8), eight signs derived from the case id, check character.

    Pure, so no counter exists anywhere and a repeated submission gets the same number. 29^8 numbers per area and day:
    among 50,000 cases of one day two share a number with a probability of 0.25 %, hence progress is looked up by
    number and telephone. Raises ValueError for an area that is not six digits or an id that is no UUID.
    """
    if not re.fullmatch(r"[0-9]{6}", area):
        raise ValueError("area: six digits expected")
    rest = int.from_bytes(hashlib.sha256(UUID(case_id).bytes).digest()[:16])
    signs = []
    for _ in range(CASE_TAIL):
        rest, index = divmod(rest, len(CASE_ALPHABET))
        signs.append(CASE_ALPHABET[index])
    body = f"{area}{day:%Y%m%d}{''.join(signs)}"
    return body + _case_check(body)


def tidy_case_number(text: str) -> str:
    """What a person typed, without spaces and hyphens, in capitals and ordinary width."""
    return re.sub(r"[\s\-]+", "", unicodedata.normalize("NFKC", text)).upper()


def check_case_number(text: str, field: str | None = None) -> Problem | None:
    """The first thing wrong with a case number as a person typed it (see `tidy_case_number`), or None.

    Rules: `case_number_format`, `case_number_date`, `case_number_check`.
    """
    number = tidy_case_number(text)
    if not re.fullmatch(rf"[0-9]{{14}}[{CASE_ALPHABET}]{{{CASE_TAIL + 1}}}", number):
        return Problem(
            rule="case_number_format", field=field, message=f"办件编号应为{CASE_LENGTH}位:14位数字加9位数字或字母"
        )
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return Problem(rule="case_number_date", field=field, message="办件编号中的日期不存在,请核对")
    if _case_check(number[:-1]) != number[-1]:
        return Problem(rule="case_number_check", field=field, message="办件编号有误,请逐位核对")
    return None


def _case_check(body: str) -> str:
    """Weights are the powers of 2, a primitive root of 29: distinct and never 0 over these 22 places."""
    total, weight = 0, 1
    for place, char in enumerate(body):
        weight = weight * 2 % 29
        total += weight * (int(char) if place < 14 else CASE_ALPHABET.index(char))
    return CASE_ALPHABET[total % 29]
