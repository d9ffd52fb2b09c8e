"""One case at a counter, without bus or store: messages go in, events come out, the state passes through its JSON.

It uses the chassis's own fold, so that alarms ring as they will; it must never patch a rule.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from chassis.bus import partition_of
from chassis.cityfile import load
from chassis.decision import Caller, Command, Decider, Malformed
from chassis.document import Doc, Outgoing
from chassis.heart.fold import Fold
from chassis.heart.message import TOUCH, Message
from chassis.law.workdays import Calendar
from chassis.sealing import Keyring
from chassis.store import Row
from chassis.web.deputies import Deputies
from contracts.event import SHANGHAI, Event, case_id
from contracts.portal import Submitted, Supplemented, WithdrawalRequested
from contracts.wire import decode
from sandbox.citizens import Citizens
from services.intake import catalog
from services.intake.case.commands import Application, Apply
from services.intake.case.founding import Founding
from services.intake.case.routes import CHECKS
from services.intake.case.rules import cases
from services.intake.files.routes import SPEAKS
from services.intake.items.living import Living

PORTAL, SUBMISSION = "demo", "demo-0001"
CASE = case_id(PORTAL, SUBMISSION)
KEYRING = Keyring.generate()
CALENDAR = Calendar()
FOUNDING = Founding(Living(catalog.load()[0]), CALENDAR, KEYRING)
CASES = cases(FOUNDING)
CITIZENS = Citizens(7)
CITY = load()


def portal(name: str) -> Caller:
    return Caller("portal", name, frozenset({"submit"})).under(SPEAKS)


def window(department: str, area: str = "341600", name: str = "x-window-1") -> Caller:
    known = Deputies(CITY).filling(Caller("officer", name, frozenset({"window"}), department, area), NOW.date())
    return known.under(CHECKS)


NOW = datetime(2026, 4, 1, 9, 0, tzinfo=SHANGHAI)
CALLER, WINDOW = portal(PORTAL), window("市场监督管理局", name="sj-window-1")

E = TypeVar("E", bound=Event)


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


def body(item: str, n: int = 1, **variation: Any) -> dict[str, Any]:
    return CITIZENS.submission(item, n, **variation)


def born(born_on: date, item: str = "MZ-80") -> dict[str, Any]:
    return body(item, born=born_on)


def changed(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value changed; `None` takes it out."""
    copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(given))
    *way, last = path.split(".")
    place: Any = copy
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if value is None:
        place.pop(last)
    else:
        place[last] = value
    return copy


class Counter:
    """One document of one decider; `events` are all that it has said, each once, with the topics it travelled on."""

    def __init__(self, decider: Decider[Any] = CASES, id: str = CASE) -> None:
        self.fold: Fold[Any] = Fold("intake", decider, (), 8, 10.0)
        self.doc: Doc[Any] = self.fold.blank(id)
        self.events: list[Event] = []
        self.topics: list[tuple[str, str]] = []
        self._count = 0

    @property
    def state(self) -> Any:
        return self.doc.state

    def hear(self, message: Any, now: datetime = NOW, id: str = "", **more: Any) -> list[Event]:
        """Applies one message; returns what was said by it (and by alarms that rang before it). Raises what it met."""
        self._count += 1
        folded = self.fold.fold(self.doc, [Message(id or f"m{self._count}", message, **more)], now, 0.0)
        for result in folded.results:
            if result is not None and not folded.say:
                raise result
        self._keep(folded)
        said = heard(folded.say)
        self.events += said
        self.topics += [(out.topic, out.headers["ce_type"].split(".")[1]) for out in folded.say]
        return said

    def _keep(self, folded: Any) -> None:
        if folded.doc is None:
            return
        row = self.fold.row(folded, "test", 1)
        assert row.shard == partition_of(row.id, 8)
        kept = Row(**{name: getattr(row, name) for name in Row.__struct_fields__})
        self.doc = self.fold.load(kept, acked=1)
        assert self.doc.state == folded.doc.state, "what is stored is what was decided"

    def ring(self, now: datetime) -> list[Event]:
        return self.hear(TOUCH, now)

    def tell(self, command: Command, now: datetime = NOW, by: Caller = WINDOW, **more: Any) -> list[Event]:
        return self.hear(command.spoken_by(by), now, **more)

    def submit(self, given: dict[str, Any], now: datetime = NOW, **more: Any) -> list[Event]:
        return self.hear(submitted(given), now, **more)

    def apply(self, given: dict[str, Any], now: datetime = NOW) -> list[Event]:
        command = Apply(submission=SUBMISSION, application=Application.model_validate(given))
        return self.tell(command, now, CALLER)

    def supplement(self, now: datetime, codes: tuple[str, ...] = (), form: dict[str, Any] | None = None) -> list[Event]:
        event = Supplemented(at=now, portal=PORTAL, submission=SUBMISSION, form=form or {}, materials=materials(*codes))
        return self.hear(event, now)

    def withdraw(self, now: datetime, reason: str = "不再办理") -> list[Event]:
        return self.hear(WithdrawalRequested(at=now, portal=PORTAL, submission=SUBMISSION, reason=reason), now)


def submitted(given: dict[str, Any]) -> Submitted:
    claimed = NOW - timedelta(days=3)  # what a portal claims as the time counts for nothing
    return Submitted.model_validate({**given, "at": claimed, "portal": PORTAL, "submission": SUBMISSION})


def materials(*codes: str) -> Any:
    return tuple({"code": c, "sha256": "ab" * 32, "size": 2000, "media_type": "application/pdf"} for c in codes)


def heard(outgoing: list[Outgoing]) -> list[Event]:
    """The events among what goes out, each once although it travels on two topics."""
    seen: dict[str, Event] = {}
    for out in outgoing:
        assert "ce_id" in out.headers, f"a dead letter: {out.headers}"
        seen.setdefault(out.headers["ce_id"], decode(out.headers, out.value).event)
    return list(seen.values())


def one(events: list[Event], cls: type[E]) -> E:
    found = [event for event in events if isinstance(event, cls)]
    assert len(found) == 1, f"{len(found)} × {cls.__name__} in {[type(e).__name__ for e in events]}"
    return found[0]


def spoiled(key: str, problems: Any) -> Malformed:
    return Malformed(f"portal.{PORTAL}", key, problems)
