"""Seeded applicants with valid numbers, and what they hand in for the demonstration city's items.

Names, numbers and addresses are invented; this module must never hold anything of a real person.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypedDict, Unpack

from chassis.bus import Record
from contracts.event import NAMESPACE
from contracts.numbers import IDENTITY_CHECKS, IDENTITY_WEIGHTS, USCC_ALPHABET, USCC_WEIGHTS
from contracts.portal import PortalEvent, Submitted
from contracts.wire import Envelope, encode
from sandbox.registers import DEAD, ELSEWHERE, ISSUED, UNKNOWN, housing

SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许"
GIVEN = "安民康宁和顺平实文明友善诚信敬业勤正清廉"
COUNTIES = {"341602": "谯城区", "341621": "涡阳县", "341622": "蒙城县", "341623": "利辛县"}
ROADS = ("魏武大道", "芍花路", "养生大道", "药都大道", "希夷大道", "杜仲路")

PHONE_RANGE = "144"
"""Passes `^1[3-9]\\d{9}$`, and belongs to no eleven-digit number that anybody has: 144 is for things, in 13 digits."""

DAY = date(2026, 4, 1)
"""Ages are those of this day, near which demonstrations start."""

SPECIAL = {"dead": DEAD, "unknown": UNKNOWN, "elsewhere": ELSEWHERE}


class Variation(TypedDict, total=False):
    """How a submission differs from the usual one. `born` sets the day of birth, `population` (dead, unknown,
    elsewhere) and `housing` (none, has) what the registers will say, `ending` the last four digits of the telephone
    (9001 to 9003 and 9101 to 9106 mean something to the pretend partners), `missing` leaves materials out, `form` adds
    to or replaces form fields, None removing one."""

    born: date
    population: str
    housing: str
    ending: str
    missing: tuple[str, ...]
    form: Mapping[str, Any]
    channel: str
    delivery: str
    same_city: bool
    area: str | None
    agent: bool
    ask_person: bool


@dataclass(frozen=True, slots=True)
class Habit:
    """How an item is usually applied for."""

    ages: tuple[int, int]
    delivery: str
    materials: tuple[str, ...] = ()
    enterprise: bool = False
    agent: bool = False


HABITS: dict[str, Habit] = {
    "MZ-80": Habit((80, 95), "message"),
    "MZ-YDZ": Habit((65, 90), "ems"),
    "WJ-DS": Habit((35, 60), "agent", ("household", "photo"), agent=True),
    "SJ-YYZZ": Habit((22, 60), "ems", ("application_form", "articles", "lease")),
    "SJ-SPJY": Habit((22, 60), "ems", ("application_form", "layout", "health_cards"), enterprise=True),
    "RS-LWPQ": Habit((22, 60), "ems", ("application_form", "capital_proof", "premises_proof"), enterprise=True),
    "ZJ-FCZM": Habit((22, 75), "electronic"),
}


def identity_number(area: str, born: date, sequence: int) -> str:
    """A valid 身份证 number (GB 11643) of somebody from a county of today; `sequence` is 0 to 999, odd for men."""
    place = next(code for last, code in ISSUED[area] if born.year <= last)
    body = f"{place}{born:%Y%m%d}{sequence:03d}"
    total = sum(weight * int(digit) for weight, digit in zip(IDENTITY_WEIGHTS, body, strict=True))
    return body + IDENTITY_CHECKS[total % 11]


def uscc(area: str, n: int) -> str:
    """A valid 统一社会信用代码 (GB 32100) of an enterprise (91); its organisation part begins with X, so that it
    looks like nobody's."""
    body = f"91{area}X{n % 10**8:08d}"
    total = sum(weight * USCC_ALPHABET.index(char) for weight, char in zip(USCC_WEIGHTS, body, strict=True))
    return body + USCC_ALPHABET[-total % 31]


def phone(n: int, ending: str = "") -> str:
    """The n-th citizen's telephone; unlike a chosen `ending`, the usual ones stay below 9000 and mean nothing."""
    if ending:
        return f"{PHONE_RANGE}{n % 10_000:04d}{ending}"
    return f"{PHONE_RANGE}{n // 9_000 % 10_000:04d}{n % 9_000:04d}"


class Citizens:
    """Applicants by number: the same seed and number give the same person and the same papers."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed

    def submission(self, item: str, n: int, **variation: Unpack[Variation]) -> dict[str, Any]:
        """The body of `POST /intake/submissions`: contracts.portal.Submitted without at, portal and submission.

        Raises KeyError for an item that nobody here applies for.
        """
        habit = HABITS[item]
        rng = random.Random(f"{self.seed}/{item}/{n}")
        area = rng.choice(tuple(COUNTIES))
        name = rng.choice(SURNAMES) + rng.choice(GIVEN) + rng.choice(GIVEN)
        identity = self._identity(rng, area, habit, variation)
        address = f"安徽省亳州市{COUNTIES[area]}{rng.choice(ROADS)}{rng.randint(1, 999)}号"
        company = f"亳州市{name[1:]}{n % 100_000:05d}餐饮有限公司"
        form = self._form(item, rng, identity, address, company)
        for field, value in variation.get("form", {}).items():
            if value is None:
                form.pop(field, None)
            else:
                form[field] = value
        delivery: dict[str, Any] = {
            "method": variation.get("delivery", habit.delivery),
            "same_city": variation.get("same_city", True),
        }
        if delivery["method"] == "ems":
            delivery["address"] = address
        body: dict[str, Any] = {
            "item": item,
            "area": variation.get("area", area),
            "channel": variation.get("channel", "agent" if habit.agent else "portal"),
            "applicant": {
                "kind": "enterprise" if habit.enterprise else "person",
                "name": company if habit.enterprise else name,
                "identity": uscc(area, n) if habit.enterprise else identity,
                "phone": phone(n, variation.get("ending", "")),
            },
            "delivery": delivery,
            "form": form,
            "materials": [
                self._material(item, n, code) for code in habit.materials if code not in variation.get("missing", ())
            ],
            "ask_person": variation.get("ask_person", False),
        }
        if variation.get("agent", habit.agent):
            body["agent"] = {
                "name": "村级代办员",
                "place": f"{COUNTIES[area]}第{n % 300 + 1}村代办点",
                "mandate": f"WT-{n:08d}",
                "document": hashlib.sha256(f"WT/{item}/{n}".encode()).hexdigest(),
                "until": "2030-12-31",
            }
        return body

    def _identity(self, rng: random.Random, area: str, habit: Habit, variation: Variation) -> str:
        youngest, oldest = habit.ages
        # A year of 366 days, so that even the youngest has had the birthday that counts.
        days = rng.randint(youngest * 366, oldest * 365)
        born = variation.get("born", DAY - timedelta(days=days))
        special = variation.get("population")
        if special is not None:
            return identity_number(area, born, int(SPECIAL[special]))
        wanted = variation.get("housing")
        while True:
            identity = identity_number(area, born, rng.randint(1, 990))
            facts = housing(identity)
            if wanted is None or (facts is not None and facts["housing"] == wanted):
                return identity

    def _form(self, item: str, rng: random.Random, identity: str, address: str, company: str) -> dict[str, Any]:
        if item == "MZ-80":
            return {"bank": "药都农商银行", "bank_account": f"622{rng.randrange(10**16):016d}"}
        if item == "MZ-YDZ":
            return {"purpose": "new"}
        if item == "WJ-DS":
            child = date(int(identity[6:10]) + 26, 6, 1)
            return {"child_name": "子女一", "child_born": min(child, date(2015, 6, 1)).isoformat(), "lost": True}
        if item == "SJ-YYZZ":
            return {
                "company_name": company,
                "scope": "餐饮服务",
                "capital": rng.randint(1, 50) * 100_000,
                "premises": address,
            }
        if item == "SJ-SPJY":
            return {"premises": address, "business": "热食类食品制售", "area_m2": rng.randint(30, 400)}
        if item == "RS-LWPQ":
            return {"premises": address, "capital": rng.randint(20, 90) * 100_000}
        return {"purpose": "子女入学"}

    def _material(self, item: str, n: int, code: str) -> dict[str, Any]:
        mark = hashlib.sha256(f"{self.seed}/{item}/{n}/{code}".encode()).hexdigest()
        return {"code": code, "sha256": mark, "size": 20_000 + n % 1_000, "media_type": "application/pdf"}


def as_record(portal: str, submission: str, body: Mapping[str, Any], at: datetime) -> Record:
    """A submission as a record of topic `portal.<name>`; `at` is legal time. The same submission said again has the
    same event id. Raises pydantic.ValidationError."""
    return record_of(Submitted.model_validate({**body, "at": at, "portal": portal, "submission": submission}), 1)


def record_of(event: PortalEvent, sequence: int) -> Record:
    """Anything a portal says; `sequence` counts what it has said of this submission."""
    name = f"{event.portal}/{event.submission}/{event.TYPE}/{sequence}"
    envelope = Envelope(
        id=str(uuid.uuid5(NAMESPACE, name)),
        source=f"portal.{event.portal}",
        sequence=sequence,
        event=event,
    )
    headers, value = encode(envelope)
    topic, key = event.routes()[0]
    return Record(topic=topic, key=key, headers=headers, value=value)
