"""Takes what SMS providers push to the mailboxes it is about, one tell per item.

Verified before it is parsed, durable before it is answered; this module must never decide what becomes of a notice.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeVar

from chassis.decision import Caller, Decider, Reject
from chassis.law.rights import PARTNERS, Right
from chassis.pushing import MOST_FAULTS, UNREADABLE, Push
from chassis.sealing import Keyring
from chassis.settings import Section
from chassis.web.door import Asked, Door
from chassis.web.reading import decoded as read
from contracts.event import Problem
from contracts.words import Grade
from services.notify.mailbox.balance import Balance
from services.notify.mailbox.state import Mailbox, Receipt, Reply
from services.notify.providers.port import Items, Provider, Reported

log = logging.getLogger("tongban")
T = TypeVar("T")

PUSHES = Right(
    "A provider of messages, by the secret in the address; it speaks of messages by numbers of ours.", PARTNERS
)
MOST: Final = 5_000
"""Items in a push: as many as the body limit has room for when they are written as the documents print them."""
OUT_ID = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{24})")
STOP, RESUME = ("退订", "TD", "T", "N"), ("恢复", "HF")
"""What a citizen writes to get no more notices, and to get them again."""


class Pushes:
    """Both raise Reject: what the provider's `verify` does, and `push_unreadable` (400)."""

    def __init__(
        self,
        boxes: Decider[Mailbox],
        balance: Balance,
        sections: Mapping[str, Section],
        keyring: Keyring,
        door: Door,
    ) -> None:
        """`sections` are the settings of all providers: one that is no longer asked to send still pushes receipts."""
        self.boxes, self.balance, self.sections, self.keyring, self.door = boxes, balance, sections, keyring, door

    async def receipts(self, provider: Provider[Any], push: Push) -> None:
        """Several receipts a call, repeated at will; how many are not for us is said in the log."""
        provider.verify(push, self.sections[provider.name])
        found = Found(provider.receipts, push.body)
        self.balance.receipts(provider.name, len(found.good))
        ours = [one for one in map(self._ours, found.good) if one is not None]
        if len(ours) < len(found.good):
            log.info("%d receipts of a provider name no message of ours", len(found.good) - len(ours))
        by = Caller("partner", provider.name)
        await found.settled(self.door.tell(self.boxes, tag, receipt, by=by) for tag, receipt in ours)

    async def replies(self, provider: Provider[Any], push: Push) -> None:
        """What citizens answered; the number becomes a tag, the text a grade or a sealed text."""
        provider.verify(push, self.sections[provider.name])
        found = Found(provider.replies, push.body)
        by = Caller("partner", provider.name)
        await found.settled(
            self.door.tell(
                self.boxes,
                self.keyring.tag(one.phone),
                reply(one.text, self.keyring),
                by=by,
                asked=Asked(key=one.key),
            )
            for one in found.good
        )

    def _ours(self, said: Reported) -> tuple[str, Receipt] | None:
        """The mailbox that a receipt is for."""
        receipt = partial(Receipt, delivered=said.delivered, part=said.part, parts=said.parts)
        if match := OUT_ID.fullmatch(said.reference):
            return match[1], receipt(key=match[2])
        if said.serial and not said.reference:
            return self.keyring.tag(said.phone), receipt(serial=said.serial)
        return None


class Found(Generic[T]):
    """The items of a push that can be read. One that cannot costs no other: `settled` says what is wrong with it once
    the others are kept."""

    def __init__(self, items: Items[Any, T], body: bytes) -> None:
        """Raises Reject `push_unreadable` (400) for what is no such push, or one that would hold the service up."""
        apart = items.apart
        try:
            parts = apart.parts(body, items.item)
        except Reject as reject:
            raise Reject.of(reject.problems, 400, UNREADABLE) from None
        if len(parts) > MOST:
            raise Reject(UNREADABLE, "推送条数过多", status=400)
        self.good: list[T] = []
        self.faults: list[Problem] = []
        for n, part in enumerate(parts):
            try:
                self.good.append(items.means(read(items.decoder, part, apart.place.format(n))))
            except Reject as reject:
                self.faults += reject.problems

    async def settled(self, tells: Iterable[Awaitable[object]]) -> None:
        """All that can be done is done. Raises Reject `push_unreadable` (400) naming place, field and rule of the rest;
        no value is repeated."""
        await gathered(tells)
        if self.faults:
            raise Reject.of(tuple(self.faults[:MOST_FAULTS]), 400, UNREADABLE)


async def gathered(tells: Iterable[Awaitable[object]]) -> None:
    """All of a push together, so that they share a batch. What is refused would be refused again and is counted in the
    log, such as a mailbox we do not know; any other failure has the whole push repeated."""
    results = await asyncio.gather(*tells, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, Reject):
            raise failure
    if failures:
        log.info("%d items of a provider's push were not taken", len(failures))


def reply(content: str, keyring: Keyring) -> Reply:
    grade, word = Grade.parse_reply(content), content.strip().upper()
    stop = True if word in STOP else False if word in RESUME else None
    return Reply(grade=grade.value if grade else None, stop=stop, sealed=keyring.seal(content, "reply"))
