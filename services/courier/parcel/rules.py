"""The rules of a parcel (domain 2.3): ordered once in each direction, taken back, sent after, handed over.

State, message and now give a decision; this module must never wait for anything or read a clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from chassis.decision import Answer, Decider, Decision, Reject
from chassis.verbatim import Verbatim
from contracts.courier import Delivered, DeliveryFailed
from contracts.event import CaseEvent
from contracts.intake import (
    Lapsed,
    OriginalsReceived,
    OriginalsReleased,
    OriginalsRequested,
    OriginalsReturned,
    Refused,
    Withdrawn,
)
from contracts.review import Issued
from contracts.words import DeliveryMethod, Direction
from services.courier.parcel.making import AGAIN, METHODS, Making, Policy
from services.courier.parcel.notes import Disowned, Strayed
from services.courier.parcel.proving import Proving
from services.courier.parcel.slots import Slots
from services.courier.parcel.state import (
    AT_WINDOW,
    BLANK,
    CANCELLED,
    DROP,
    EMS,
    FAILED,
    HANDED_OVER,
    ORDERED,
    RENEW,
    TO_WINDOW,
    WITH_CITIZEN,
    Cancel,
    CancelEms,
    ChooseSlot,
    HandOver,
    Intercept,
    InterceptEms,
    OrderEms,
    Parcel,
    Post,
    Readdress,
    Reissue,
    Scanned,
    TraceEms,
    document,
    told,
)


def inbound(event: CaseEvent) -> str:
    return document(event.case, Direction.IN)


def homeward(event: CaseEvent) -> str:
    return document(event.case, Direction.RETURN)


def parcels(
    same_city: timedelta,
    elsewhere: timedelta,
    patience: timedelta = timedelta(hours=2),
    slots: Slots | None = None,
    pull: int | None = None,
) -> Decider[Parcel]:
    """The decider of kind `parcel`, whose documents are a case's parcels of one direction; see `Policy`."""
    making = Making(Policy(same_city, elsewhere, patience, slots, pull))
    rules, proving = Parcels(making), Proving(making)
    decider: Decider[Parcel] = Decider("parcel", Parcel)
    decider.on(Issued)(rules.issued)
    decider.on(OriginalsRequested, key=inbound)(rules.requested)
    decider.on(OriginalsReceived, Lapsed, Withdrawn, Refused, key=inbound)(rules.needless)
    decider.on(OriginalsReleased, key=homeward)(rules.released)
    decider.on(OriginalsReturned, key=homeward)(rules.needless)
    decider.after(OrderEms)(rules.ordered)
    decider.after(CancelEms)(rules.cancelled)
    decider.after(InterceptEms)(rules.intercepted)
    decider.on(Cancel)(rules.cancel)
    decider.on(ChooseSlot)(rules.choose_slot)
    decider.on(Readdress)(rules.readdress)
    decider.on(Intercept)(rules.intercept)
    decider.on(Reissue)(rules.reissue)
    decider.on(Post)(rules.post)
    decider.on(HandOver)(rules.hand_over)
    decider.on(Disowned)(rules.disowned)
    decider.on(Scanned)(proving.scanned)
    decider.on(Strayed)(proving.strayed)
    decider.after(TraceEms)(proving.traced)
    decider.when("settle")(proving.settle)
    decider.when("search")(proving.search)
    return decider


class Parcels:
    """One method per message."""

    def __init__(self, making: Making) -> None:
        self.making = making

    # -------------------------------------------------------------------------------------------------- what is to go

    def issued(self, state: Parcel, event: Issued, now: datetime) -> Decision[Parcel] | None:
        """The result goes by EMS, or waits for somebody to take it; what is electronic needs nobody, and a trial
        run has no result."""
        if state.phase != BLANK or not event.delivery.by_hand or event.about.trial:
            return None
        state = founded(state, event, event.same_city, event.delivery)
        if event.delivery is DeliveryMethod.EMS and event.about.contact.address is not None:
            return self.making.plan(state, now)
        return self.making.at_window(state, now)

    def requested(self, state: Parcel, event: OriginalsRequested, now: datetime) -> Decision[Parcel] | None:
        """EMS fetches originals where it knows an address; else the citizen brings them."""
        if state.phase != BLANK or event.about.contact.address is None or event.about.trial:
            return None
        return self.making.plan(replace(founded(state, event, event.same_city), voucher=event.voucher), now)

    def released(self, state: Parcel, event: OriginalsReleased, now: datetime) -> Decision[Parcel] | None:
        """Originals go home by EMS. What is released while a parcel waits to be collected travels with it, what is
        released after one has come home travels in the next; in between the window gives it back by hand."""
        if event.delivery is not DeliveryMethod.EMS or event.about.contact.address is None or event.about.trial:
            return None
        over = state.said_delivered or state.said_returned or state.phase in (HANDED_OVER, CANCELLED)
        if state.phase != BLANK and not over:
            return None
        state = self.making.following(founded(state, event, event.same_city))
        return self.making.plan(state, now)

    def needless(self, state: Parcel, event: CaseEvent, now: datetime) -> Decision[Parcel] | None:
        """Originals came by hand, or nobody needs them any more: whom EMS has not called on it need not call on. What
        is under way arrives, and what becomes of it then is intake's."""
        if state.phase in (AT_WINDOW, WITH_CITIZEN, FAILED) or (state.phase == ORDERED and state.said_returned):
            return Decision(replace(state, phase=CANCELLED))
        if not state.waiting or state.collected:
            return None
        return self.making.take_back(state, DROP, now)

    # ------------------------------------------------------------------------------------------------- what EMS answers

    def ordered(self, state: Parcel, answer: Answer, now: datetime) -> Decision[Parcel]:
        """The partner gave a number; or refused, or nobody can say: then a person must look."""
        if answer.outcome == "done":
            state = replace(state, order_no=answer.id)
            made = self.making.posted(state, EMS, str(answer.result["waybill"]), now)
            if not state.wanted:
                return made
            back = self.making.take_back(replace(made.state, wanted=""), state.wanted, now)
            return Decision(back.state, say=made.say, do=back.do)
        if state.wanted == DROP or (state.wanted and answer.outcome == "failed"):
            return self.making.taken_back(state, state.wanted, now)
        return self.making.failed(state, now)

    def cancelled(self, state: Parcel, answer: Answer, now: datetime) -> Decision[Parcel] | None:
        """The partner took the order back: what was wanted instead comes. Where it would not, the parcel goes on."""
        if answer.errand.waybill != state.waybill or state.phase != ORDERED:
            return None
        if answer.outcome == "done" and not state.collected:
            return self.making.taken_back(state, state.wanted or TO_WINDOW, now)
        still = DROP if state.wanted == DROP and not state.collected else ""
        state = replace(state, wanted=still, chosen=None, declined=answer.problem)
        state = self.making.watched(state, now)
        soon = now + AGAIN
        sooner = state.look is not None and now < state.look < soon
        return Decision(state if sooner or not state.moving else replace(state, look=soon))

    def intercepted(self, state: Parcel, answer: Answer, now: datetime) -> Decision[Parcel] | None:
        """EMS will bring it back, which its scans prove; or will not."""
        if answer.errand.waybill != state.waybill:
            return None
        agreed = answer.outcome == "done"
        return Decision(replace(state, stop="agreed" if agreed else "", declined=answer.problem))

    # -------------------------------------------------------------------------------------------- what people want

    def cancel(self, state: Parcel, command: Cancel, now: datetime) -> Decision[Parcel]:
        """Before anything was collected. Rule `not_cancellable`."""
        if not state.waiting or state.wanted == DROP or state.collected:
            raise Reject("not_cancellable", "没有可以取消的寄件, 或者已经揽收")
        return self.making.take_back(state, TO_WINDOW, now)

    def choose_slot(self, state: Parcel, command: ChooseSlot, now: datetime) -> Decision[Parcel]:
        """改约: EMS is asked again for another time, since an order names one. A portal speaks for the citizen, at
        whose door only originals are fetched. Rules `not_at_your_door`, `collected`, `not_by_ems`,
        `slots_unknown`, and those of `Slots.chosen`."""
        if self.making.policy.slots is None:
            raise Reject("slots_unknown", "没有约定上门揽收时段")
        if command.by.kind == "portal" and state.direction is not Direction.IN:
            raise Reject("not_at_your_door", "该邮件在窗口交寄, 不能由申请人改约", status=403)
        slot = self.making.policy.slots.chosen(command.slot, now)
        uncollected(state)
        if slot == state.slot and not state.wanted:
            return Decision(state)
        return self.making.take_back(replace(state, chosen=slot), RENEW, now)

    def readdress(self, state: Parcel, command: Readdress, now: datetime) -> Decision[Parcel]:
        """改址: another order takes the place of one that was not collected, failed or came back; what is under way
        goes on, unless EMS has agreed to bring it back: then it goes out again. Rules `under_way`,
        `not_by_ems`."""
        same_city = state.same_city if command.same_city is None else command.same_city
        state = replace(state, address=command.address, phone=command.phone or state.phone, same_city=same_city)
        if state.phase in (FAILED, WITH_CITIZEN) or (state.phase == ORDERED and state.said_returned):
            return self.making.plan(self.making.following(state), now)
        if state.moving and state.collected and state.stop and not state.lost:
            return Decision(replace(state, wanted=RENEW))
        if state.phase == AT_WINDOW or state.lost:
            return Decision(state)
        uncollected(state, "under_way", "邮件已在途中, 不能改址; 可先申请拦截退回")
        # Who moves has not asked for another time.
        slots, slot = self.making.policy.slots, state.chosen or state.slot
        kept = slot if slots and slot and slot.begin >= now + slots.lead else None
        return self.making.take_back(replace(state, chosen=kept), RENEW, now)

    def intercept(self, state: Parcel, command: Intercept, now: datetime) -> Decision[Parcel]:
        """拦截退回. Rules `not_under_way`, `already_intercepted`."""
        if not state.moving or not state.collected or state.lost:
            raise Reject("not_under_way", "没有在途的邮件可以拦截")
        if state.stop:
            raise Reject("already_intercepted", "已经申请拦截退回")
        stop = InterceptEms(case=state.case, waybill=state.waybill, order=state.order_no)
        return Decision(replace(state, stop="asked", declined=""), do=(stop,))

    def reissue(self, state: Parcel, command: Reissue, now: datetime) -> Decision[Parcel]:
        """补发 by EMS of what is lost, came back, or was never ordered or fetched. Rules
        `nothing_to_reissue`, `no_address`."""
        back = state.phase == ORDERED and state.said_returned
        if not (state.lost or back or state.phase in (FAILED, WITH_CITIZEN, AT_WINDOW)):
            raise Reject("nothing_to_reissue", "没有丢失、退回或者未寄出的邮件")
        if not (state.address or state.about.contact.address):
            raise Reject("no_address", "申请人没有留下邮寄地址, 应先改址", "address")
        gone = self.making.off_the_list(state, now)
        again = self.making.plan(self.making.following(state), now)
        return Decision(again.state, say=gone, do=again.do)

    def post(self, state: Parcel, command: Post, now: datetime) -> Decision[Parcel]:
        """An officer gives it to a courier after all; what was made anew for a lost parcel (补发) is the next parcel,
        with evidence of its own. The number has been claimed for it before. Rule `not_at_window`."""
        here(state)
        gone = self.making.off_the_list(state, now)
        sent = self.making.posted(self.making.following(state), command.partner, command.waybill, now)
        return Decision(sent.state, say=(*gone, *sent.say))

    def disowned(self, state: Parcel, note: Disowned, now: datetime) -> Decision[Parcel] | None:
        """What an officer typed is the number of another parcel: nothing that was said under it holds, and a person
        must look where the paper went. A number that the partner gave is not touched."""
        number = (note.partner, note.waybill)
        past = tuple(one for one in state.past if one.order_no or (one.partner, one.waybill) != number)
        if (state.partner, state.waybill) != number or state.order_no:
            return Decision(replace(state, past=past)) if past != state.past else None
        gone = self.making.off_the_list(state, now)
        bare = replace(self.making.put_by(state), past=past)
        if state.phase != ORDERED:
            return Decision(bare, say=gone)
        ended = state.said_delivered or state.said_returned
        taken = {"waybill": state.waybill, "scanned_at": now, "attempt": len(state.told)}
        corrected = (told(DeliveryFailed, state, now, **taken, retracts=True),) if ended else ()
        failed = self.making.failed(replace(self.making.following(bare), parcel=state.parcel), now)
        return Decision(failed.state, say=(*gone, *corrected, *failed.say))

    def hand_over(self, state: Parcel, command: HandOver, now: datetime) -> Decision[Parcel]:
        """Also the way out when an order failed or the parcel came back: the result is still there. Rule
        `not_at_window`."""
        here(state)
        method = METHODS[state.method] if state.phase == AT_WINDOW and state.method else DeliveryMethod.WINDOW
        state = replace(state, phase=HANDED_OVER, said_delivered=True, look=None, lost=False)
        delivered = told(Delivered, state, now, waybill=state.about.number, scanned_at=now, method=method)
        return Decision(state, say=(delivered,))


def founded(state: Parcel, event: CaseEvent, same_city: bool, method: DeliveryMethod = DeliveryMethod.EMS) -> Parcel:
    heard = Verbatim.of(event.about)
    return replace(state, heard=heard, method=method.value, same_city=same_city, made=event.at)


def uncollected(state: Parcel, rule: str = "collected", text: str = "邮件已经揽收") -> None:
    """An order at EMS of which nothing was fetched. Raises Reject."""
    if not state.waiting or state.wanted == DROP:
        raise Reject("not_by_ems", "没有等待揽收的寄件")
    if state.collected:
        raise Reject(rule, text)


def here(state: Parcel) -> None:
    """A paper of ours lies at the window, or is missing: it can be given away. Raises Reject."""
    back = state.phase == ORDERED and state.said_returned
    if state.direction is Direction.IN or not (state.phase in (AT_WINDOW, FAILED) or state.lost or back):
        raise Reject("not_at_window", "没有待领取的结果")
