"""N05: e-mail and WeChat beside the text message, a portal's own webhook; one that hangs delays no other.

The suite is a real process; mail server, WeChat and portals count what they took; nothing here looks inside.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from sandbox.citizens import Citizens
from sandbox.faults import Fault
from sandbox.portal import PortalHooks
from sandbox.story import at
from sandbox.town import Town
from tests.bench.report import percentile
from tests.capabilities.conftest import Begin

pytestmark = pytest.mark.anyio

START = at(4, 1, 9)
EMAIL, OPENID = "citizen.one@example.com", "oSandboxCitizen0000000001"


async def apply(world: Town, body: dict[str, Any], **addresses: str) -> str:
    body["applicant"] |= addresses
    status, answer = await world.apply(body, world.submission_id())
    assert status == 201, answer
    return str(answer["case"])


async def mails(world: Town, to: str) -> list[dict[str, Any]]:
    async with world.http.get(f"{world.city.url}/mail/messages", params={"to": to}) as answer:
        found: list[dict[str, Any]] = (await answer.json())["messages"]
        return found


async def chats(world: Town, openid: str) -> list[dict[str, Any]]:
    async with world.http.get(f"{world.city.url}/wechat/messages", params={"openid": openid}) as answer:
        found: list[dict[str, Any]] = (await answer.json())["messages"]
        return found


def posted(receiver: PortalHooks, case: str) -> list[dict[str, Any]]:
    """What a portal heard of this case, in the order in which it came."""
    bodies = [json.loads(bytes(heard.body)) for heard in receiver.heard.values()]
    return [body for body in bodies if body["data"]["case"] == case]


def ends(world: Town, case: str) -> Counter[tuple[str, str, str]]:
    return Counter((e.channel, e.notice, e.outcome) for e in world.said(case, "notified"))


async def test_each_address_that_was_given_is_told_once(begin: Begin, citizens: Citizens) -> None:
    world = await begin(START)
    body = citizens.submission("MZ-YDZ", 1)
    case = await apply(world, body, email=EMAIL, wechat=OPENID)
    await world.quiet()
    told = ends(world, case)
    assert {notice for channel, notice, _ in told if channel == "sms"} == {
        *("accepted", "reviewed", "dispatched", "delivered", "invited")
    }
    assert {notice for channel, notice, _ in told if channel == "email"} == {"accepted", "reviewed", "dispatched"}
    assert {n for channel, n, _ in told if channel == "wechat"} == {"accepted", "reviewed", "dispatched", "invited"}
    assert {outcome for _, _, outcome in told} == {"delivered"}
    assert set(told.values()) == {1}
    number = (await world.receipt(case))["number"]
    letters, messages = await mails(world, EMAIL), await chats(world, OPENID)
    assert Counter(number in letter["subject"] for letter in letters) == {True: 3}
    assert len(messages) == 4
    for text in (*(letter["text"] for letter in letters), json.dumps(messages, ensure_ascii=False)):
        assert body["applicant"]["name"] not in text
        assert body["applicant"]["phone"] not in text


async def test_english_where_it_was_asked_for(begin: Begin, citizens: Citizens) -> None:
    world = await begin(START)
    case = await apply(world, citizens.submission("MZ-80", 1), email=EMAIL, language="en")
    await world.quiet()
    number = (await world.receipt(case))["number"]
    subjects = {letter["subject"] for letter in await mails(world, EMAIL)}
    assert subjects == {f"Application accepted {number}", f"Decision {number}"}


async def test_a_wrong_address_fails_by_itself(begin: Begin, citizens: Citizens) -> None:
    """No such mailbox, one who follows no longer, one who has blocked the account: the text messages arrive."""
    world = await begin(START)
    gone = await apply(world, citizens.submission("MZ-80", 1), email="nobody@example.com", wechat="oSandboxgone")
    blocked = await apply(world, citizens.submission("MZ-80", 2), wechat="oSandboxblock")
    await world.quiet()
    for case, channels in ((gone, ("email", "wechat")), (blocked, ("wechat",))):
        told = ends(world, case)
        for channel in channels:
            assert {outcome for ch, _, outcome in told if ch == channel} == {"failed"}, channel
        assert Counter(outcome for ch, _, outcome in told.elements() if ch == "sms") == {"delivered": 3}


@pytest.mark.parametrize(
    "address", ["no address", "a@b", "a b@example.com", "a..b@example.com", "x" * 130 + "@example.com"]
)
async def test_what_is_no_address_is_refused_by_field(begin: Begin, citizens: Citizens, address: str) -> None:
    world = await begin(START)
    body = citizens.submission("MZ-80", 1)
    body["applicant"]["email"] = address
    status, answer = await world.apply(body, world.submission_id())
    assert (status, answer["errors"][0]["field"]) == (422, "applicant.email")
    assert address not in json.dumps(answer, ensure_ascii=False)


async def test_uncertain_e_mail_is_lost_and_uncertain_wechat_is_repeated_under_its_id(
    begin: Begin, citizens: Citizens
) -> None:
    """Cut off after acting: SMTP cannot be asked; WeChat suppresses the second."""
    world = await begin(START)
    world.city.faults.add(Fault(partner="mail", kind="hang_up", only="DATA", count=1))
    world.city.faults.add(Fault(partner="wechat", kind="hang_up", only="send", count=1))
    case = await apply(world, citizens.submission("MZ-80", 1), email=EMAIL, wechat=OPENID)
    await world.quiet()
    outcomes = Counter(outcome for ch, _, outcome in ends(world, case).elements() if ch == "email")
    assert outcomes == {"delivered": 1, "lost": 1}
    assert len(await mails(world, EMAIL)) == 2, "it had arrived, and was not sent again"
    counts = world.city.counts()["wechat"]["effects"]
    assert (counts["sent"]["twice"], counts["suppressed"]["total"]) == ({}, 1)
    assert {outcome for ch, _, outcome in ends(world, case) if ch == "wechat"} == {"delivered"}


async def test_a_portal_hears_every_notice_of_a_case_in_order_signed(begin: Begin, citizens: Citizens) -> None:
    world = await begin(START)
    body = citizens.submission("MZ-YDZ", 1)
    case = await apply(world, body)
    await world.quiet()
    heard = posted(world.city.portal, case)
    assert [one["type"] for one in heard] == [
        f"notice.{turn}" for turn in ("accepted", "reviewed", "dispatched", "delivered", "invited")
    ]
    number = (await world.receipt(case))["number"]
    for one in heard:
        assert one["data"]["number"] == number
        assert number in one["data"]["text"]
    assert world.city.portal.ledger.requests["refused"] == 0, "every signature was right"
    assert body["applicant"]["name"] not in json.dumps(heard, ensure_ascii=False)


async def test_a_portal_that_fails_hears_it_again_under_the_same_id(begin: Begin, citizens: Citizens) -> None:
    """An error, a line cut after the portal had kept it, then well: by the schedule, 5 s and 5 min later."""
    world = await begin(START)
    for kind in ("error500", "hang_up"):
        world.city.faults.add(Fault(partner="portal", kind=kind, count=1))
    case = await apply(world, citizens.submission("MZ-80", 1))
    await world.move(at(4, 1, 9, 30))
    await world.quiet()
    heard = posted(world.city.portal, case)
    assert [one["data"]["notice"] for one in heard] == ["accepted", "reviewed", "invited"]
    assert Counter(one.times for one in world.city.portal.heard.values()) == {1: 2, 2: 1}
    assert all(one.answered == 1 for one in world.city.portal.heard.values())
    assert Counter(ch for ch, _, outcome in ends(world, case).elements() if outcome == "delivered")["webhook"] == 3


async def test_a_portal_that_hangs_delays_neither_another_portal_nor_any_message(
    begin: Begin, citizens: Citizens
) -> None:
    """Sixty cases of each of two portals; one of them holds every call until it is cut. What the rest waited is
    printed."""
    keys = {"demo": "key of the one portal", "other": "key of the other portal"}
    hashed = ",".join(f"{name}={hashlib.sha256(key.encode()).hexdigest()}:submit+read" for name, key in keys.items())
    world = await begin(START, TONGBAN_PORTALS="demo,other", TONGBAN_PORTAL_KEYS=hashed)
    world.city.faults.add(Fault(partner="portal", kind="silent", seconds=60.0))
    clock = await world.clock()
    ahead = datetime.fromisoformat(clock["legal"]).timestamp() - clock["system"]

    async def submit(portal: str, n: int) -> str:
        body = citizens.submission("MZ-80", n)
        headers = {"Idempotency-Key": f"hanging-{n:06d}", "X-Api-Key": keys[portal]}
        status, answer = await world.ask("POST", "/intake/submissions", body, headers=headers)
        assert status == 201, answer
        return str(answer["case"])

    cases = await asyncio.gather(*(submit(name, 100 * i + n) for n in range(60) for i, name in enumerate(keys)))
    rest = [case for n, case in enumerate(cases) if n % 2]

    async def all_heard() -> bool:
        return len(world.city.portal_other.heard) == 3 * len(rest) and len(phones()) == 3 * len(cases)

    def phones() -> list[float]:
        """How long each text message took from its event, by the provider's own clock."""
        waits = []
        for n, case in enumerate(cases):
            phone = citizens.submission("MZ-80", 100 * (n % 2) + n // 2)["applicant"]["phone"]
            for message in (*world.city.sms.of_phone(phone), *world.city.tencent.of_phone(phone)):
                kind = message.template.rpartition("_")[2].lower()
                stated = [event.at for event in world.said(case, kind)]
                waits += [(message.sent - moment).total_seconds() for moment in stated]
        return waits

    await world.until("what concerns the portal that is well, and all telephones", all_heard, 60)
    hooks = [
        heard.at + ahead - datetime.fromisoformat(json.loads(bytes(heard.body))["timestamp"]).timestamp()
        for heard in world.city.portal_other.heard.values()
    ]
    texts = phones()
    print(
        f"one portal hangs: p99 of the other's {len(hooks)} webhooks {percentile(hooks, 0.99) * 1e3:.0f} ms,"
        f" of {len(texts)} text messages {percentile(texts, 0.99) * 1e3:.0f} ms"
    )
    assert world.city.portal.ledger.effects["taken"].total == 0
    assert max(hooks) < 5.0, "less than one call that hangs"
    assert max(texts) < 5.0
