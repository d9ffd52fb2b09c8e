"""Notify as it runs: an event becomes a message at the pretend provider, its receipt comes home, a reply is heard.

Everything is real but the city; nothing here may look into a document.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import Record
from chassis.run.keyring import load_keyring
from contracts.event import Event, case_topic, source_of
from contracts.intake import Accepted
from contracts.notify import Notified, Replied
from contracts.wire import Envelope, encode
from sandbox.city import City, Options
from sandbox.shared import SHARED
from services.notify.app import build
from tests.contracts.samples import ABOUT, CASE
from tests.services.folding import at
from tests.services.notify.test_mailbox import invited, sample
from tests.services.standing import Standing, free_url, standing

pytestmark = pytest.mark.anyio
PHONE = "14400000001"
PATH = "/notify/webhooks/aliyun/"
START = at(4, 9, 10)


@dataclass
class Office(Standing):
    async def push(self, path: str, body: Any, secret: str = SHARED.pushes) -> tuple[int, Any]:
        data = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        async with self.http.post(f"{self.url}{PATH}{secret}/{path}", **data) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type.endswith("json") else text

    async def say(self, event: Event) -> None:
        """Says it of a person whose number is PHONE."""
        keyring = load_keyring(self.suite.settings)
        contact = ABOUT.contact.model_copy(
            update={"tag": keyring.tag(PHONE), "phone": keyring.seal(PHONE, f"{CASE}:phone")}
        )
        event = event.model_copy(update={"about": ABOUT.model_copy(update={"contact": contact})})
        headers, value = encode(Envelope(f"e-{event.TYPE}-{event.at}", source_of(event.PUBLISHER), 1, event))
        await self.suite.bus.publish([Record(case_topic(event.PUBLISHER), CASE, headers, value)])


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    url = free_url()
    callbacks: dict[str, Any] = {name: f"{url}{PATH}{SHARED.pushes}/{word}" for name, word in
                 (("sms_reports", "reports"), ("sms_replies", "replies"))}  # fmt: skip
    city = City(Options(instant=True, **callbacks))
    env = {"TONGBAN_NOTIFY_SMS_URL": "{city}/sms"}
    async with standing(Office, tmp_path, ("notify", build), city, url, START, env) as found:
        yield found


async def test_from_the_event_to_the_receipt_and_the_reply(office: Office) -> None:
    await office.say(sample(Accepted, START))
    (notified,) = await office.said(Notified)
    assert (notified.notice, notified.channel, notified.outcome, notified.provider) == (
        "accepted", "sms", "delivered", "aliyun",
    )  # fmt: skip
    (message,) = office.city.sms.of_phone(PHONE)
    report = {"out_id": message.out_id, "success": False, "err_code": "X", "biz_id": message.biz_id}
    assert await office.push("reports", [report, report]) == (200, {"code": 0, "msg": "接收成功"})
    await office.say(invited(START, until=at(5, 9)))
    assert {n.notice for n in await office.said(Notified, 2)} == {"accepted", "invited"}
    office.city.sms.answer(PHONE, "５ 非常不满意！")
    (replied,) = await office.said(Replied)
    assert (replied.case, replied.grade, replied.text) == (CASE, "very_dissatisfied", None)
    assert len(await office.said(Notified, 2)) == 2, "a repeated receipt, even another one, changes nothing"


async def test_a_reply_counts_once_however_often_it_is_pushed(office: Office) -> None:
    await office.say(invited(START, until=at(5, 9)))
    await office.said(Notified)
    first = {"phone_number": PHONE, "content": "满意", "send_time": "2026-04-09 10:01:00", "sequence_id": 7}
    nameless = {"phone_number": PHONE, "content": "谢谢", "send_time": "2026-04-09 10:02:00"}
    other = {**nameless, "content": "2", "send_time": "2026-04-09 10:03:00"}
    for _ in range(2):
        assert (await office.push("replies", [first, nameless, other]))[0] == 200
    found = [(r.grade, r.text is None) for r in await office.said(Replied, 3)]
    assert sorted(found, key=str) == sorted([("satisfied", True), (None, False), ("satisfied", True)], key=str)


async def test_what_is_not_for_us_is_taken_and_does_nothing(office: Office) -> None:
    strangers = [
        {"out_id": out} for out in ("", "x", "123", f"{'0' * 32}.{'0' * 24}", "签名", f"{'0' * 32}.{'0' * 25}")
    ]
    assert await office.push("reports", strangers) == (200, {"code": 0, "msg": "接收成功"})
    assert (await office.push("reports", []))[0] == 200
    assert (await office.push("replies", [{"phone_number": "13900000000", "content": "1"}]))[0] == 200


@pytest.mark.parametrize("path", ["reports", "replies"])
async def test_what_a_push_must_bring(office: Office, path: str) -> None:
    for secret in ("wrong", "签名", SHARED.pushes[:-1], f"{SHARED.pushes} "):
        status, problem = await office.push(path, [], secret)
        assert (status, problem["rule"]) == (401, "webhook_unknown")
    for body in (
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'[{"out_id":1,"phone_number":1}]',
        b"[" * 90_000,
        b'[{"x":' + b"[" * 90_000,
    ):
        status, problem = await office.push(path, body)
        assert (status, problem["rule"]) == (400, "push_unreadable"), body[:20]
    assert (await office.push(path, b"[" + b" " * 1_100_000 + b"]"))[0] == 413
