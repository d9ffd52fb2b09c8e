"""The parcels of a case, one document for each direction; scans that came before anybody knew whose they are.

Shapes only, of state, commands and errands; this module must never hold a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from pydantic import AwareDatetime, Field, StringConstraints

from chassis.decision import Command, Errand, Lane, State
from chassis.law.rights import Whose
from chassis.shapes import like
from chassis.verbatim import OfCase, said
from contracts.courier import Courier
from contracts.event import Sealed
from contracts.words import Direction
from services.courier.parcel.evidence import Evidence, Scan, weigh

E = TypeVar("E", bound=Courier)

BLANK, PLANNED, ORDERED, AT_WINDOW, HANDED_OVER, FAILED = "", "planned", "ordered", "at_window", "handed_over", "failed"
WITH_CITIZEN, CANCELLED = "with_citizen", "cancelled"
"""An original that nobody fetched, which its owner brings; a parcel that is needed no longer."""
EMS = "ems"
RENEW, TO_WINDOW, DROP = "renew", "window", "drop"
"""What takes the place of an order that is being taken back: another order, the window, nothing."""
ASKING = Lane("ems-asking", 10)
"""Of everything but orders, so that a nightly round of questions never delays one."""
CALLED = "EMS"
"""What an operator's log calls the partner; events and documents say `ems`."""
Waybill = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{6,40}$")]


def document(case: str, direction: Direction) -> str:
    """The id of the document that keeps a case's parcels of one direction."""
    return case if direction is Direction.OUT else f"{case}:{direction.value}"


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """When EMS comes to fetch a parcel, in legal time of Shanghai."""

    begin: datetime
    end: datetime


class Earlier(msgspec.Struct, frozen=True, array_like=True):
    """A parcel of the same direction that another has taken the place of. Late scans of it are its own evidence."""

    parcel: int
    partner: str
    waybill: str
    scans: tuple[Scan, ...] = ()
    gone: tuple[Scan, ...] = ()
    order_no: str = ""


class Parcel(OfCase, frozen=True, kw_only=True, omit_defaults=True):
    """Keyed by case id for results, by `<case>:in` and `<case>:return` for originals. `scans` is the evidence, `gone`
    what the partner has taken back; `said_…` and `told` (the moment said of each attempt) is what has been said of it,
    so that new evidence says only what is new. Until `waits` a missing 收寄 scan is waited for; `inferred` = it was
    waited for in vain. At `look` the partner is asked for scans that were never pushed; `lost` = it had none either.
    `parcel` counts parcels of this direction, `past` are those before.

    `since` is when it was ordered, `listed` for when it stands on a hand-over list, `slot` when EMS comes for it,
    `missed` in how many slots it did not; `chosen` is the slot of the next order. `wanted` is what shall take the place
    of the order (RENEW, TO_WINDOW, DROP) once EMS has taken it back. `address` and `phone` (sealed) stand for those of
    the application once the citizen has named others. `stop` is "asked" or "agreed" of an interception, `declined`
    EMS's word for the last thing it would not do. `voucher` goes with originals on their way in. `made` is when what is
    sent was issued or released: no scan of it can be earlier."""

    phase: str = BLANK
    method: str = ""
    same_city: bool = True
    parcel: int = 1
    partner: str = ""
    waybill: str = ""
    order_no: str = ""
    scans: tuple[Scan, ...] = ()
    gone: tuple[Scan, ...] = ()
    waits: datetime | None = None
    inferred: bool = False
    look: datetime | None = None
    lost: bool = False
    said_dispatched: bool = False
    told: tuple[datetime, ...] = ()
    said_delivered: bool = False
    said_returned: bool = False
    since: datetime | None = None
    slot: Slot | None = None
    chosen: Slot | None = None
    missed: int = 0
    wanted: str = ""
    address: str = ""
    phone: str = ""
    stop: str = ""
    declined: str = ""
    voucher: str = ""
    past: tuple[Earlier, ...] = ()
    listed: datetime | None = None
    made: datetime | None = None

    def alarms(self) -> Mapping[str, datetime]:
        times = {"settle": self.waits, "search": self.look}
        return {name: at for name, at in times.items() if at is not None}

    def lookups(self) -> tuple[str, ...]:
        waybills = dict.fromkeys((self.waybill, *(earlier.waybill for earlier in self.past)))
        return tuple(f"waybill:{waybill}" for waybill in waybills if waybill)

    def whose(self) -> Whose:
        if not self.heard:
            return Whose()
        about, carriers = self.about, (self.partner, *(earlier.partner for earlier in self.past))
        return Whose((about.department,), about.whereabouts, about.portal, partners=carriers)

    def carrier(self, waybill: str) -> str:
        """The partner that carries, or has carried, the parcel of this waybill."""
        carried = {one.waybill: one.partner for one in self.past} | {self.waybill: self.partner}
        return carried.get(waybill, "")

    def gives(self, waybill: str) -> bool:
        """Whether its partner gave this number for an order of ours. What an officer has typed may be anybody's."""
        given = {one.waybill for one in self.past if one.order_no} | ({self.waybill} if self.order_no else set())
        return waybill in given

    @property
    def given(self) -> bool:
        """EMS gave the present number: of it alone EMS is asked anything, and its label is ours."""
        return self.partner == EMS and bool(self.waybill and self.order_no)

    @property
    def waiting(self) -> bool:
        """For an order of ours at EMS, or for EMS to fetch what was ordered."""
        return self.phase == PLANNED or (self.phase == ORDERED and self.given)

    @property
    def case(self) -> str:
        return self.id.partition(":")[0]

    @property
    def direction(self) -> Direction:
        return DIRECTIONS[self.id.partition(":")[2] or Direction.OUT.value]

    @property
    def collected(self) -> bool:
        """Some scan says that EMS has it."""
        return bool(set(self.scans).difference(self.gone))

    @property
    def moving(self) -> bool:
        """In the hands of EMS, the only partner that can be asked, or about to be, by an order of ours."""
        over = self.said_delivered or self.said_returned
        return self.phase == ORDERED and self.given and not over

    def evidence(self) -> Evidence:
        """What the scans say that have not been taken back."""
        return weigh(set(self.scans).difference(self.gone))


DIRECTIONS = {direction.value: direction for direction in Direction}


def told(kind: type[E], state: Parcel, now: datetime, **rest: Any) -> E:
    """What courier says of a parcel at this moment; `rest` are the fields that are the event's own."""
    return said(kind, state, now, parcel=state.parcel, direction=state.direction, **rest)


CLAIMED, TYPED, GIVEN, DISPUTED = "claimed", "typed", "given", "disputed"
"""How a number is held: an officer is about to post under it, or has; the partner gave it; gave it to several parcels,
so that it is nobody's until a person has looked."""


class Stray(State, frozen=True, kw_only=True):
    """Keyed `<waybill>/<partner>`: whose this partner's number is, which is one parcel's at most, and scans that it
    pushed before we knew. `case` is the document of the parcel, `hold` how it holds the number (nothing where it was
    stored before that was kept). A claim lapses at `until`; scans before `after` cannot be those of who typed it."""

    scans: tuple[Scan, ...] = ()
    gone: tuple[Scan, ...] = ()
    case: str = ""
    hold: str = ""
    after: datetime | None = None
    until: datetime | None = None

    def alarms(self) -> Mapping[str, datetime]:
        return {} if self.until is None else {"lapse": self.until}

    @property
    def waybill(self) -> str:
        return self.id.partition("/")[0]


def stray_id(waybill: str, partner: str) -> str:
    return f"{waybill}/{partner}"


class AtEms:
    """What errands at EMS have alike: who is asked, and that EMS tells afterwards what it has got."""

    __slots__ = ()

    def partner(self) -> str:
        return CALLED

    def careful(self) -> bool:
        return False


class OrderEms(AtEms, Errand, frozen=True, kw_only=True):
    """One parcel to be fetched and delivered: to the citizen, or from there to the window (`direction` in). Personal
    fields are sealed under `<case>:name` and so on; the errand's id is the partner's logisticsOrderNo, by which it is
    asked before it is ordered again. `reference` is what the label says."""

    case: str
    name: str
    phone: str
    address: str
    direction: str = Direction.OUT.value
    slot: Slot | None = None
    reference: str = ""


class TraceEms(AtEms, Errand, frozen=True, kw_only=True):
    """轨迹查询: every scan of a waybill, whether or not it was pushed. Harmless to repeat."""

    case: str
    waybill: str

    def lane(self) -> Lane:
        return ASKING


class CancelEms(AtEms, Errand, frozen=True, kw_only=True):
    """取消寄件, while nothing was collected. Harmless to repeat: what is cancelled stays so."""

    case: str
    waybill: str
    order: str

    def lane(self) -> Lane:
        return ASKING


class InterceptEms(AtEms, Errand, frozen=True, kw_only=True):
    """拦截退回 of what is under way. Harmless to repeat: what is to come back comes back once."""

    case: str
    waybill: str
    order: str

    def lane(self) -> Lane:
        return ASKING


class Cancel(Command):
    """取消寄件: the result will be fetched at the window instead, an original brought."""


class ChooseSlot(Command):
    """改约揽收: `slot` is when the wanted pick-up slot begins."""

    model_config = like({"slot": "2026-02-27T14:00:00+08:00"})
    slot: AwareDatetime


class Readdress(Command):
    """改址, sealed before it gets here; `mark` tells one address from another where a key is used again. `same_city` is
    said where it is another than before."""

    mark: str
    address: Sealed = Field(exclude=True)
    phone: Sealed | None = Field(None, exclude=True)
    same_city: bool | None = None


class Intercept(Command):
    """拦截退回: what is under way shall come back."""


class Reissue(Command):
    """补发: ordered anew at EMS, as the next parcel."""


class Scanned(Command):
    """The partner pushed scans of one waybill; `retracts` takes earlier ones back. `sealed` is the push as it came."""

    waybill: Waybill
    scans: tuple[tuple[str, str, str], ...]
    retracts: tuple[tuple[str, str, str], ...] = ()
    sealed: str = Field("", exclude=True, repr=False)


class KeepScans(Scanned):
    """The same, for a waybill that no partner has given to a parcel we know; or to several (`disputed`)."""

    CREATES: ClassVar[bool] = True
    disputed: bool = False


class Claim(Command):
    """The number shall be that of the parcel `case`, none of whose scans can be before `after`; `posted` where it is
    posted under it already."""

    CREATES: ClassVar[bool] = True
    case: str
    after: datetime | None = None
    posted: bool = False


class Post(Command):
    """交寄 by hand: the partner's name and the number on its receipt."""

    model_config = like({"partner": "sf", "waybill": "SF1440011223344"})
    partner: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{2,20}$")]
    waybill: Waybill


class HandOver(Command):
    """交付: handed to the applicant at the window or by the agent."""
