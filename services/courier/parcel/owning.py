"""Whose a waybill number is: one parcel's at most, however many officers type it and wherever they do.

One small document for each number of a partner decides, so that two processes cannot; this module must never look
anything up.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from chassis.decision import Alarm, Decider, Decision, Reject
from contracts.courier import Ordered
from services.courier.parcel.kept import keeping
from services.courier.parcel.notes import Disowned, Strayed
from services.courier.parcel.proving import merged, raw, scans_of
from services.courier.parcel.state import CLAIMED, DISPUTED, GIVEN, TYPED, Claim, KeepScans, Stray, document, stray_id

LAPSES = timedelta(minutes=10)
"""How long a number is kept for a parcel that has not been posted under it."""


def strays() -> Decider[Stray]:
    """The decider of kind `stray`. What a partner gave holds against what an officer typed, whichever came first; of
    two who type the same number, the first has it."""
    decider: Decider[Stray] = Decider("stray", Stray)
    decider.on(KeepScans)(keep)
    decider.on(Claim)(claim)
    decider.on(Ordered, key=lambda event: stray_id(event.waybill, event.partner))(known)
    decider.when("lapse")(lapse)
    return decider


def keep(state: Stray, command: KeepScans, now: datetime) -> Decision[Stray] | None:
    """Kept whosever they are, so that an owner who becomes known later has them all."""
    scans = merged(state.scans, scans_of(command.scans))
    gone = merged(state.gone, scans_of(command.retracts))
    if command.disputed and state.hold != DISPUTED:
        state = replace(state, case="", hold=DISPUTED, after=None, until=None)
    elif (scans, gone) == (state.scans, state.gone):
        return None
    state = replace(state, scans=scans, gone=gone)
    return keeping(Decision(state, say=strayed(state, now)), command, now)


def claim(state: Stray, command: Claim, now: datetime) -> Decision[Stray] | None:
    """A push carries no reference of ours, so its times alone say whether it can be about this parcel. Rule
    `waybill_of_another`."""
    if state.case == command.case:
        return None
    early = command.after and any(scan.at < command.after for scan in set(state.scans).difference(state.gone))
    if state.case or state.hold == DISPUTED or early:
        raise of_another()
    hold, until = (TYPED, None) if command.posted else (CLAIMED, now + LAPSES)
    state = replace(state, case=command.case, hold=hold, after=command.after, until=until)
    return Decision(state, say=strayed(state, now) if command.posted else ())


def known(state: Stray, event: Ordered, now: datetime) -> Decision[Stray] | None:
    """A parcel goes under this number."""
    id = document(event.case, event.direction)
    if event.by_hand:
        if state.hold == DISPUTED or state.case not in ("", id):
            return Decision(state, say=(disowned(state, id, now),))
        found = state if state.hold == GIVEN else replace(state, case=id, hold=TYPED, until=None)
        return changed(state, found, strayed(found, now))
    if state.hold == DISPUTED:
        return None
    if not (state.case or state.scans or state.gone):
        return None  # who claims it from now on finds that parcel
    if state.hold == GIVEN and state.case != id:
        return Decision(replace(state, case="", hold=DISPUTED))
    found = replace(state, case=id, hold=GIVEN, after=None, until=None)
    typed = (disowned(state, state.case, now),) if state.case not in ("", id) else ()
    return changed(state, found, (*typed, *strayed(found, now)))


def lapse(state: Stray, alarm: Alarm, now: datetime) -> Decision[Stray]:
    """Nobody posted under it."""
    return Decision(replace(state, case="", hold="", after=None, until=None))


def of_another() -> Reject:
    return Reject("waybill_of_another", "该运单号属于另一个邮件, 请核对回执", "waybill")


def changed(state: Stray, found: Stray, say: tuple[Strayed | Disowned, ...]) -> Decision[Stray] | None:
    return Decision(found, say=say) if say or found != state else None


def strayed(state: Stray, now: datetime) -> tuple[Strayed, ...]:
    """What is kept here and can be its owner's, told to it."""
    scans = tuple(scan for scan in state.scans if state.after is None or scan.at >= state.after)
    if not state.case or not (scans or state.gone):
        return ()
    return (Strayed(at=now, case=state.case, waybill=state.waybill, scans=raw(scans), gone=raw(state.gone)),)


def disowned(state: Stray, id: str, now: datetime) -> Disowned:
    _, _, partner = state.id.partition("/")
    return Disowned(at=now, case=id, partner=partner, waybill=state.waybill)
