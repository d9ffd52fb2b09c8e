"""Who stands in for whom by appointment of the head of the unit (AB岗): a document per absent officer, and its rule.

State and message in, decision out; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec.structs import replace
from pydantic import StringConstraints

from chassis.city import DEPUTIES, City, Deputy
from chassis.decision import Command, Decider, Decision, Reject, State, hidden
from chassis.rights import Whose, refused
from chassis.shapes import like

STANDING: Final = "deputies"
"""The look-up of everybody for whom somebody is appointed."""
MOST: Final = 20
"""Appointments that are kept of one officer, the newest."""
StaffId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{3,40}$")]


class Appointment(msgspec.Struct, frozen=True, array_like=True):
    """`deputy` stands in from the day `begin` to the day `end`; `by` is the head who has said so, and when."""

    deputy: str
    begin: date
    end: date
    by: str
    at: datetime


class Absence(State, frozen=True, kw_only=True):
    """Keyed by the staff id of the officer who is stood in for."""

    appointments: tuple[Appointment, ...] = ()
    department: str = ""
    area: str = ""

    def lookups(self) -> tuple[str, ...]:
        return (STANDING,) if self.appointments else ()

    def order(self) -> str:
        return self.id

    def whose(self) -> Whose:
        return Whose((self.department,), self.area) if self.department else Whose()


class Appoint(Command):
    """指定AB岗 by the head of the unit. The same deputy again takes the place of the appointment before: an `end`
    in the past ends it."""

    model_config = like({"deputy": "sj-handler-2", "begin": "2026-03-02", "end": "2026-03-06"})
    CREATES: ClassVar[bool] = True
    deputy: StaffId
    begin: date
    end: date


def absences(city: City) -> Decider[Absence]:
    """The decider of kind `absence`."""
    decider: Decider[Absence] = Decider("absence", Absence)

    @decider.on(Appoint)
    def appoint(state: Absence, command: Appoint, now: datetime) -> Decision[Absence]:
        """Rules `not_found` for nobody of the head's unit, and those of `City.wrong_deputy`."""
        absent = city.staff.get(state.id)
        if absent is None or refused(command.by, Whose((absent.department,), absent.area)):
            raise hidden()
        rule = city.wrong_deputy(Deputy(of=state.id, deputy=command.deputy, begin=command.begin, end=command.end))
        if rule:
            raise Reject(rule, DEPUTIES[rule], "end" if rule == "days_reversed" else "deputy", 422)
        said = Appointment(command.deputy, command.begin, command.end, command.by.name, now)
        before = tuple(one for one in state.appointments if one.deputy != command.deputy)
        kept = (*before, said)[-MOST:]
        return Decision(replace(state, appointments=kept, department=absent.department, area=absent.area))

    return decider
