"""Rules of what is handed over: original papers to the window and back, and a case to another unit (domain 2.1).

Each rule is state, message and now → decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from chassis.decision import Decider, Decision, Reject, ensure
from chassis.law.rights import Whose
from chassis.verbatim import said
from contracts.courier import Courier, Delivered, Dispatched, Returned
from contracts.event import Event
from contracts.intake import (
    Admitted,
    Original,
    OriginalsReceived,
    OriginalsReleased,
    OriginalsRequested,
    OriginalsReturned,
    Transferred,
)
from contracts.words import DeliveryMethod, Direction, LimitKind, Unit
from services.intake.case.checking import Checker
from services.intake.case.commands import Admit, HandBack, HandIn, RequestOriginals, Transfer
from services.intake.case.custody import CITIZEN, INBOUND, OUTBOUND, SURRENDERED, WINDOW, carried, lying
from services.intake.case.founding import Founding
from services.intake.case.notes import Concluded
from services.intake.case.standing import waiting
from services.intake.case.state import AWAITING, CLOSED, SUBMITTED, TRANSFERRED, Case, Clock

ORIGINALS_DAYS: Final = 15
"""Workdays in which the originals must have arrived (domain 2.1, clock O)."""
HANDOVER_DAYS: Final = 1
"""Workdays in which the other unit must take a transferred case (domain 2.1)."""
COURIER: Final = "courier"


def of_originals(event: Courier) -> str | None:
    """Only parcels with originals concern the case; those with results are the progress page's."""
    return event.case if event.direction is not Direction.OUT else None


def handing(decider: Decider[Case], founding: Founding) -> None:
    """Adds these rules to the decider of kind `case`."""
    rules = Handing(founding)
    decider.on(RequestOriginals)(rules.request)
    decider.on(HandIn)(rules.hand_in)
    decider.on(HandBack)(rules.hand_back)
    decider.on(Dispatched, key=of_originals)(rules.dispatched)
    decider.on(Delivered, key=of_originals)(rules.delivered)
    decider.on(Returned, key=of_originals)(rules.returned)
    decider.on(Concluded)(rules.concluded)
    decider.on(Transfer)(rules.transfer)
    decider.on(Admit)(rules.admit)


def released(state: Case, checker: Checker, now: datetime, cause: str) -> tuple[Case, tuple[Event, ...]]:
    """A case is over: originals that lie at the window are to go back, which stays a duty until they have left."""
    held = lying(state.custody, WINDOW)
    state = replace(state, release=cause) if state.custody else state
    if not held:
        return state, ()
    address = state.about.contact.address
    event = said(
        OriginalsReleased,
        state,
        now,
        originals=listed(checker, held),
        cause=cause,
        delivery=DeliveryMethod.EMS if address else DeliveryMethod.WINDOW,
        same_city=state.same_city,
    )
    return state, (event,)


def listed(checker: Checker, codes: tuple[str, ...]) -> tuple[Original, ...]:
    return tuple(Original(code=code, title=checker.titles.get(code, code)) for code in codes)


class Handing:
    """One method per message."""

    def __init__(self, founding: Founding) -> None:
        self.founding = founding

    # --------------------------------------------------------------------------------------------------- originals

    def request(self, state: Case, command: RequestOriginals, now: datetime) -> Decision[Case]:
        """预审通过, 请交原件: K stops, O starts. Rules `incomplete`, `no_originals_due`."""
        waiting(state)
        checker = self.founding.checker(state)
        due = checker.pending(state)
        if not due:
            raise Reject("no_originals_due", "该办件没有需要交验的原件")
        if state.missing:
            raise Reject("incomplete", "申请材料不齐, 应先一次告知补正")
        limit = self.founding.calendar.limit(LimitKind.ORIGINALS, now, ORIGINALS_DAYS, Unit.WORKDAY)
        event = said(
            OriginalsRequested,
            state,
            now,
            voucher=f"{state.about.number}-YJ",
            originals=listed(checker, due),
            limit=limit,
            same_city=state.same_city,
        )
        return Decision(replace(state, phase=AWAITING, check=None, originals=Clock.of(limit)), say=(event,))

    def hand_in(self, state: Case, command: HandIn, now: datetime) -> Decision[Case]:
        """原件交到窗口, some or all. Rules `not_waiting`, `not_an_original`, `original_held`."""
        if state.phase not in (SUBMITTED, AWAITING):
            raise Reject("not_waiting", "办件当前不接收原件")
        checker = self.founding.checker(state)
        for i, code in enumerate(command.originals):
            if code not in checker.originals:
                raise Reject("not_an_original", "该事项不需要这份原件", f"originals.{i}", 422)
            if code not in checker.pending(state):
                raise Reject("original_held", "这份原件已在窗口", f"originals.{i}")
        return self._arrived(state, checker, command.originals, command.by.name, now)

    def dispatched(self, state: Case, event: Dispatched, now: datetime) -> Decision[Case] | None:
        if event.direction is Direction.RETURN:
            return self._left(state, event.scanned_at, lying(state.custody, WINDOW), OUTBOUND)
        if state.phase != AWAITING:
            return None
        codes = self.founding.checker(state).pending(state)
        return Decision(replace(state, custody=carried(state.custody, event.scanned_at, codes, INBOUND, COURIER)))

    def delivered(self, state: Case, event: Delivered, now: datetime) -> Decision[Case] | None:
        if event.direction is Direction.RETURN:
            return self._left(state, event.scanned_at, lying(state.custody, WINDOW, OUTBOUND), CITIZEN)
        if not state.phase:
            return None
        checker = self.founding.checker(state)
        if state.phase == AWAITING:
            return self._arrived(state, checker, checker.pending(state), COURIER, now)
        codes = lying(state.custody, INBOUND)
        if not codes:
            return None
        state = replace(state, custody=carried(state.custody, event.scanned_at, codes, WINDOW, COURIER))
        if state.phase not in CLOSED:
            return Decision(state)
        # The case ended while its papers were on their way: they go back.
        state, say = released(state, checker, now, state.release or state.phase)
        return Decision(state, say=say)

    def returned(self, state: Case, event: Returned, now: datetime) -> Decision[Case] | None:
        """What came back lies where it was sent from."""
        way, home = (OUTBOUND, WINDOW) if event.direction is Direction.RETURN else (INBOUND, CITIZEN)
        return self._left(state, event.scanned_at, lying(state.custody, way), home)

    def hand_back(self, state: Case, command: HandBack, now: datetime) -> Decision[Case]:
        """原件当面退还. Rule `no_originals_held`."""
        held = lying(state.custody, WINDOW)
        if not held or not state.release:
            raise Reject("no_originals_held", "没有应当退还的原件")
        event = said(
            OriginalsReturned,
            state,
            now,
            originals=listed(self.founding.checker(state), held),
        )
        state = replace(state, custody=carried(state.custody, now, held, CITIZEN, command.by.name))
        return Decision(state, say=(event,))

    def concluded(self, state: Case, note: Concluded, now: datetime) -> Decision[Case] | None:
        """Review has decided. What the result takes the place of is withdrawn for good; the rest goes back."""
        if state.release:
            return None
        checker = self.founding.checker(state)
        if note.outcome == "approved":
            taken = [code for code in lying(state.custody, WINDOW) if code in checker.surrendered]
            state = replace(state, custody=carried(state.custody, now, taken, SURRENDERED, "review"))
        state, say = released(state, checker, now, note.outcome)
        return Decision(state, say=say)

    def _arrived(self, state: Case, checker: Checker, codes: tuple[str, ...], by: str, now: datetime) -> Decision[Case]:
        """The last one moves `received_on`, and the acceptance rule of the item begins (domain rule 9)."""
        state = replace(state, custody=carried(state.custody, now, codes, WINDOW, by))
        if checker.pending(state):
            return Decision(state)
        state, check = self.founding.rechecked(state, checker, now)
        event = said(
            OriginalsReceived,
            state,
            now,
            received_on=now,
            originals=listed(checker, lying(state.custody, WINDOW)),
            by=COURIER if by == COURIER else "window",
            check=check,
            deems=state.deems,
        )
        return Decision(replace(state, originals=None), say=(event,))

    def _left(self, state: Case, at: datetime, codes: tuple[str, ...], place: str) -> Decision[Case] | None:
        if not codes:
            return None
        return Decision(replace(state, custody=carried(state.custody, at, codes, place, COURIER)))

    # ---------------------------------------------------------------------------------------------------- transfer

    def transfer(self, state: Case, command: Transfer, now: datetime) -> Decision[Case]:
        """移交 to another unit on the platform: K stops, the hand-over runs. Rules `department_unknown`,
        `same_department`."""
        waiting(state)
        if command.department not in self.founding.departments:
            raise Reject("department_unknown", "平台上没有这个部门", "department", 422)
        if command.department == state.about.department:
            raise Reject("same_department", "办件已在该部门", "department", 422)
        limit = self.founding.calendar.limit(LimitKind.HANDOVER, now, HANDOVER_DAYS, Unit.WORKDAY)
        event = said(
            Transferred,
            state,
            now,
            to=command.department,
            reason=command.reason,
            handover=limit,
        )
        state = replace(state, phase=TRANSFERRED, check=None, handover=Clock.of(limit), to=command.department)
        return Decision(state, say=(event,))

    def admit(self, state: Case, command: Admit, now: datetime) -> Decision[Case]:
        """接收移交: from now on the case is this unit's, and K starts there; the citizen's day of receipt stays."""
        if state.phase != TRANSFERRED:
            raise Reject("not_transferred", "该办件没有等待接收的移交")
        ensure(command.by, Whose((state.to,), state.about.whereabouts))
        assert state.received_on is not None
        checker, received_on = self.founding.checker(state), state.received_on
        state = replace(state, heard=state.heard.but(department=state.to), handover=None, to="")
        state, check = self.founding.rechecked(state, checker, now)
        state = replace(state, received_on=received_on)
        event = said(
            Admitted,
            state,
            now,
            received_on=received_on,
            check=check,
            deems=state.deems,
        )
        return Decision(state, say=(event,))
