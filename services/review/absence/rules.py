"""How the head of a unit appoints who stands in for whom (AB岗): the rule of the document per absent officer.

State and message in, decision out; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar, Final

from msgspec.structs import replace

from chassis.absence import Absence, Appointment
from chassis.decision import Command, Decider, Decision, Reject, hidden
from chassis.law.city import DEPUTIES, City, Deputy
from chassis.law.rights import Whose, refused
from chassis.shapes import like
from contracts.event import StaffId
from contracts.review import Appointed, StandIn

MOST: Final = 20
"""Appointments that are kept of one officer, the newest."""


class Appoint(Command):
    """指定AB岗 by the head of the unit. The same deputy again takes the place of the appointment before: an `end`
    in the past ends it."""

    model_config = like({"deputy": "sj-handler-2", "begin": "2026-03-02", "end": "2026-03-06"})
    CREATES: ClassVar[bool] = True
    deputy: StaffId
    begin: date
    end: date


def absences(city: City) -> Decider[Absence]:
    """The decider of kind `absence` where appointments are made: what it concludes, all other services hear."""
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
        state = replace(state, appointments=kept, department=absent.department, area=absent.area)
        return Decision(state, say=(told(state, now),))

    return decider


def told(state: Absence, now: datetime) -> Appointed:
    """What other services have to know: what is not over."""
    return Appointed(
        at=now,
        staff=state.id,
        deputies=tuple(
            StandIn(deputy=one.deputy, begin=one.begin, end=one.end)
            for one in state.appointments
            if one.end >= now.date()
        ),
    )
