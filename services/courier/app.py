"""Courier as a description.

A table of contents; it must never hold logic.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from chassis.service import Parts, Service
from chassis.web.deputies import Deputies
from services.courier.batch.rules import batches
from services.courier.english import ENGLISH
from services.courier.papers import Papers
from services.courier.parcel import routes as api
from services.courier.parcel.owning import strays
from services.courier.parcel.rules import parcels
from services.courier.parcel.slots import Slots, hours_of
from services.courier.parcel.state import CancelEms, InterceptEms, OrderEms, TraceEms
from services.courier.partners.ems import EmsCancels, EmsIntercepts, EmsLabels, EmsOrders, EmsTraces
from services.courier.settings import Settings
from services.courier.settlement.rules import settlements
from services.courier.settlement.state import Prices


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    sent = parcels(
        same_city=timedelta(hours=settings.same_city_hours),
        elsewhere=timedelta(hours=settings.elsewhere_hours),
        patience=timedelta(minutes=settings.patience_minutes),
        slots=Slots(
            parts.calendar,
            hours_of(settings.pickup_slots),
            lead=timedelta(minutes=settings.pickup_lead_minutes),
            grace=timedelta(minutes=settings.pickup_grace_minutes),
        ),
        pull=settings.pull_hour,
    )
    unknown = strays()
    seat = partial(parts.city.seat, role="issuer")
    listed = batches(parts.calendar, settings.cutoff_hour, seat)
    prices = Prices(settings.price_same_city, settings.price_elsewhere, settings.price_return)
    settled = settlements(prices, settings.same_city_hours, seat)
    ems = EmsOrders(settings, parts.keyring, parts.clock)
    deputies = Deputies(parts.city)
    papers = partial(Papers, sent, unknown, listed, settled, EmsLabels(ems), seat, parts.keyring)
    return Service(
        "courier",
        title="寄递",
        about="结果与原件的双向寄送 · results and originals, out and home again",
        deciders=(sent, unknown, listed, settled, deputies.kept),
        errands={
            OrderEms: ems,
            TraceEms: EmsTraces(ems),
            CancelEms: EmsCancels(ems),
            InterceptEms: EmsIntercepts(ems),
        },
        routes=(partial(api.routes, sent, unknown, settings, parts.keyring, papers),),
        deputies=deputies,
        close=(ems.close,),
        english=ENGLISH,
    )
