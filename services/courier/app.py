"""Courier as a description.

A table of contents; it must never hold logic.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from chassis.service import Parts, Service
from services.courier import api
from services.courier.domain.parcel import CancelEms, OrderEms, TraceEms
from services.courier.domain.rules import parcels, strays
from services.courier.partners.ems import EmsCancels, EmsOrders, EmsTraces
from services.courier.settings import Settings


def build(parts: Parts) -> Service:
    settings = Settings.read(parts.env)
    sent = parcels(
        same_city=timedelta(hours=settings.same_city_hours),
        elsewhere=timedelta(hours=settings.elsewhere_hours),
        patience=timedelta(minutes=settings.patience_minutes),
    )
    unknown = strays()
    ems = EmsOrders(settings, parts.keyring, parts.clock)
    return Service(
        "courier",
        deciders=(sent, unknown),
        errands={OrderEms: ems, TraceEms: EmsTraces(ems), CancelEms: EmsCancels(ems)},
        routes=partial(api.routes, sent, unknown, settings, parts.keyring),
        close=(ems.close,),
    )
