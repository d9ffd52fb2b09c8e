"""Huawei as notify runs with it: an event becomes a message, its reports come home by segments, a reply is heard.

Everything is real but the city; nothing here may look into a document.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from chassis.bus import Record
from chassis.run.keyring import load_keyring
from contracts.event import Event, case_id, case_topic, source_of
from contracts.intake import Accepted
from contracts.notify import Notified, Replied
from contracts.wire import Envelope, encode
from sandbox.city import City, Options
from sandbox.faults import Fault
from sandbox.shared import SHARED
from services.notify.app import build
from services.notify.providers import KNOWN
from tests.contracts.samples import ABOUT
from tests.services.folding import at
from tests.services.notify.test_mailbox import invited, sample
from tests.services.standing import Standing, free_url, standing

pytestmark = pytest.mark.anyio
START = at(4, 9, 10)
DOOR = f"/notify/webhooks/huawei/{SHARED.pushes}/"


@dataclass
class Office(Standing):
    async def push(self, kind: str, **form: Any) -> tuple[int, Any]:
        data = io.BytesIO(urlencode(form).encode())
        async with self.http.post(f"{self.url}{DOOR}{kind}", data=data) as answer:
            return answer.status, await answer.json(content_type=None)

    async def say(self, event: Event, phone: str, number: int = 1) -> None:
        """Says it of a case of a person whose number is this."""
        keyring, case = load_keyring(self.suite.settings), case_id("demo", f"demo-{number}-{phone}")
        contact = ABOUT.contact.model_copy(
            update={"tag": keyring.tag(phone), "phone": keyring.seal(phone, f"{case}:phone")}
        )
        event = event.model_copy(update={"case": case, "about": ABOUT.model_copy(update={"contact": contact})})
        headers, value = encode(Envelope(f"e-{event.TYPE}-{case}", source_of(event.PUBLISHER), 1, event))
        await self.suite.bus.publish([Record(case_topic(event.PUBLISHER), case, headers, value)])


async def opened(tmp_path: Path, providers: str, **env: str) -> AsyncIterator[Office]:
    url = free_url()
    city = City(Options(suite=url, instant=True))
    given = {
        "TONGBAN_NOTIFY_PROVIDERS": providers,
        "TONGBAN_NOTIFY_SMS_URL": "{city}/sms",
        "TONGBAN_NOTIFY_TENCENT_URL": "{city}/tencent",
        "TONGBAN_NOTIFY_HUAWEI_URL": "{city}/huawei",
        "TONGBAN_NOTIFY_HUAWEI_CALLBACK": f"{url}{DOOR}reports",
        **env,
    }
    async with standing(Office, tmp_path, ("notify", build), city, url, START, given) as found:
        yield found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async for found in opened(tmp_path, "huawei"):
        yield found


async def test_from_the_event_to_the_report_and_the_reply(office: Office) -> None:
    phone = "14400000001"
    await office.say(sample(Accepted, START), phone)
    (notified,) = await office.said(Notified)
    assert (notified.notice, notified.outcome, notified.provider) == ("accepted", "delivered", "huawei")
    (message,) = office.city.huawei.of_phone(phone)
    again = {"smsMsgId": message.biz_id, "status": "UNDELIV", "extend": message.out_id, "to": f"+86{phone}"}
    assert await office.push("reports", **again) == (200, {})
    await office.say(invited(START, until=at(5, 9)), phone)
    assert {n.notice for n in await office.said(Notified, 2)} == {"accepted", "invited"}
    office.city.huawei.answer(phone, "５ 非常不满意！")
    (replied,) = await office.said(Replied)
    assert (replied.grade, replied.text) == ("very_dissatisfied", None)
    assert len(await office.said(Notified, 2)) == 2, "a repeated report, even another one, changes nothing"
    assert office.city.counts()["huawei"]["pushes"]["replies"]["failed"] == 0


async def test_a_long_message_is_delivered_with_its_last_segment_and_fails_with_any(office: Office) -> None:
    ways = {"14400009004": "delivered", "14400009005": "failed", "14400009001": "failed", "14400009003": "failed"}
    office.city.faults.add(Fault(partner="huawei", kind="duplicate", only="reports"))
    for phone in ways:
        await office.say(sample(Accepted, START), phone)
    found = await office.said(Notified, len(ways))
    assert {event.case: event.outcome for event in found} == {
        case_id("demo", f"demo-1-{phone}"): outcome for phone, outcome in ways.items()
    }


async def test_the_first_of_two_segments_says_nothing_yet(office: Office) -> None:
    phone = "14400009002"  # of whom the city reports nothing
    await office.say(sample(Accepted, START), phone)
    await office.say(sample(Accepted, START), "14400000001", number=2)
    (other,) = await office.said(Notified)
    (message,) = office.city.huawei.of_phone(phone)
    about = {"smsMsgId": message.biz_id, "extend": message.out_id, "total": 2, "status": "DELIVRD"}
    for _ in range(3):
        assert (await office.push("reports", **about, sequence=2))[0] == 200
    await office.say(invited(START, until=at(5, 9)), "14400000001", number=2)
    assert {event.case for event in await office.said(Notified, 2)} == {other.case}
    assert (await office.push("reports", **about, sequence=1))[0] == 200
    assert {event.outcome for event in await office.said(Notified, 3)} == {"delivered"}


async def test_a_reply_counts_once_however_often_it_is_pushed(office: Office) -> None:
    phone = "14400000001"
    await office.say(invited(START, until=at(5, 9)), phone)
    await office.said(Notified)
    first = {"from": f"+86{phone}", "to": "106912345", "body": "满意", "smsMsgId": "u-1"}
    for form in (first, first, {**first, "smsMsgId": "u-2", "body": "谢谢"}):
        assert await office.push("replies", **form) == (200, {})
    found = [(replied.grade, replied.text is None) for replied in await office.said(Replied, 2)]
    assert sorted(found, key=str) == sorted([("satisfied", True), (None, False)], key=str)


@pytest.mark.parametrize("kind", ["reports", "replies"])
async def test_what_is_not_for_us_is_taken_and_what_cannot_be_read_is_named(office: Office, kind: str) -> None:
    strangers = ("", "x", f"{'0' * 32}.{'0' * 24}", "签名")
    for extend in strangers:
        form = {"smsMsgId": "m", "status": "DELIVRD", "extend": extend, "from": "+8613900000000", "body": "1"}
        assert await office.push(kind, **form) == (200, {})
    status, problem = await office.push(kind, status="DELIVRD", body="1")
    assert (status, problem["rule"]) == (400, "push_unreadable")
    assert [(error["field"], error["rule"]) for error in problem["errors"]] == [("smsMsgId", "missing")]


async def test_three_providers_share_and_each_says_what_became_of_its_own(tmp_path: Path) -> None:
    async for office in opened(tmp_path, ",".join(KNOWN)):
        for number in range(30):
            await office.say(sample(Accepted, START), f"144{number:08}", number)
        told = Counter((event.provider, event.outcome) for event in await office.said(Notified, 30))
        sent = {name: provider.ledger.effects["sent"].total for name, provider in office.city.providers.items()}
        assert told == {(name, "delivered"): count for name, count in sent.items()}
        assert all(count >= 5 for count in told.values()), told
