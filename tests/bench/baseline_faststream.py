"""The baseline: the same fold as a FastStream handler per message, once with our guarantees, once as fast as it can go.

It is written as FastStream's documentation would have it; this module must never use our pipeline or bus.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, cast

from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from pymongo import WriteConcern
from pymongo.errors import DuplicateKeyError

from chassis.drivers.mongo import client
from contracts.event import Event
from contracts.wire import Envelope, decode, encode
from tests.bench.toyfold import AT, OUT, Account, fold

WARM = 100
"""Messages before time is taken: connections, groups and caches are there then."""


@dataclass(frozen=True, slots=True)
class Run:
    """`effects` in `seconds`, and what every account has counted in the end."""

    seconds: float
    effects: int
    counts: dict[str, int]


class Accounts:
    """Documents with inbox and outbox, written with compare-and-swap on `v`."""

    def __init__(self, url: str, database: str, durable: bool) -> None:
        self.client = client(url, "motor", access={})
        concern = WriteConcern(w="majority", j=True) if durable else WriteConcern(w=1)
        self.docs = self.client[database].get_collection("account", write_concern=concern)

    async def open(self) -> None:
        await self.docs.create_index([("_id", 1), ("v", 1)], unique=True, name="version")

    async def apply(self, envelope: Envelope, outbox: bool) -> list[dict[str, Any]]:
        """One message into its document; what is to be published for it. Said again when it is known already: then the
        process may have died before it was published."""
        event: Any = envelope.event
        while True:
            doc = await self.docs.find_one({"_id": event.account})
            if doc is not None and envelope.id in doc["seen"]:
                return list(doc["outbox"])
            state = (
                Account(id=event.account, total=doc["total"], count=doc["count"]) if doc else Account(id=event.account)
            )
            decision = fold(state, event, AT)
            (total,) = decision.say
            said = Envelope(f"{envelope.id}/0", "/bench", decision.state.count, cast(Event, total), envelope.id)
            headers, value = encode(said)
            out = [{"headers": headers, "value": value}]
            new = {
                "_id": event.account,
                "v": doc["v"] + 1 if doc else 1,
                "total": decision.state.total,
                "count": decision.state.count,
                "seen": [*(doc["seen"] if doc else ()), envelope.id],
                "outbox": [*doc["outbox"], *out] if doc and outbox else out if outbox else [],
            }
            try:
                if doc is None:
                    await self.docs.insert_one(new)
                    return out
                written = await self.docs.replace_one({"_id": event.account, "v": doc["v"]}, new)
                if written.matched_count:
                    return list(new["outbox"]) if outbox else out
            except DuplicateKeyError:
                pass

    async def clear(self, account: str, published: int) -> None:
        """The outbox, once all of it is acknowledged."""
        await self.docs.update_one({"_id": account, "outbox": {"$size": published}}, {"$set": {"outbox": []}})

    async def counts(self) -> dict[str, int]:
        return {doc["_id"]: doc["count"] async for doc in self.docs.find({}, {"count": 1})}


async def run(bootstrap: str, mongo: str, name: str, count: int, strict: bool) -> Run:
    """Handles the first `count` messages of the bank. `strict`: acknowledged after the effect, acks=all, journalled
    majority writes, inbox and outbox. Else the fastest FastStream offers: acknowledged before (at most once), fifty
    handlers at once, nobody waits for an acknowledgement, no outbox."""
    accounts = Accounts(mongo, f"faststream_{name}", strict)
    await accounts.open()
    durable: dict[str, Any] = {"acks": "all", "enable_idempotence": True} if strict else {"acks": 0}
    broker = KafkaBroker(bootstrap, **durable, logger=None)
    done = asyncio.Event()
    effects, first, last = 0, 0.0, 0.0

    async def handle(message: KafkaMessage) -> None:
        nonlocal effects, first, last
        if effects >= count:
            return
        envelope = decode(message.headers, message.body)
        account = envelope.event.subject()
        out = await accounts.apply(envelope, strict)
        for said in out:
            await broker.publish(
                said["value"], OUT, key=account.encode(), headers=said["headers"], no_confirm=not strict
            )
        if strict:
            await accounts.clear(account, len(out))
            await message.ack()
        effects += 1
        last = time.perf_counter()
        if effects == WARM:
            first = last
        if effects >= count:
            done.set()

    more: dict[str, Any] = {} if strict else {"max_workers": 50}
    policy = AckPolicy.MANUAL if strict else AckPolicy.ACK_FIRST
    subscriber = broker.subscriber(
        "case.bank", group_id=f"faststream-{name}", auto_offset_reset="earliest", ack_policy=policy, **more
    )
    subscriber(handle)
    await broker.start()
    try:
        async with asyncio.timeout(120):
            await done.wait()
    finally:
        await broker.stop()
    found = Run(last - first, effects - WARM, await accounts.counts())
    accounts.client.close()
    return found
