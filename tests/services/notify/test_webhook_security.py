"""Hostile pushes at the doors of all SMS providers: 2xx and 4xx only, and without the secret nothing changes.

The suite listens on a real port; the seed is printed with the number of cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from chassis.bus import Record
from chassis.run.keyring import load_keyring
from contracts.event import case_topic, source_of
from contracts.intake import Accepted
from contracts.wire import Envelope, encode
from sandbox.shared import SHARED
from services.notify.app import build
from services.notify.mailbox.rules import notice_key
from tests.chassis.running import until
from tests.contracts.samples import ABOUT, CASE
from tests.services.folding import at
from tests.services.hostile import Doors, Heard, Request, Target, hostile, rounds
from tests.services.notify.test_mailbox import invited, sample
from tests.services.standing import Standing

EACH = rounds(530)
"""Requests of each kind at each door."""
PHONE, SECRET, START = "14400000001", SHARED.pushes, at(4, 9, 10)
ENV = {"TONGBAN_NOTIFY_SMS_URL": "{city}/sms"}
ACCEPTED = {"aliyun": {"code": 0, "msg": "接收成功"}, "tencent": {"result": 0, "errmsg": "OK"}, "huawei": {}}
ARRAYS = ("aliyun/reports", "aliyun/replies", "tencent/reports", "tencent/replies")
FORMS = ("huawei/reports", "huawei/replies")
DOORS = (*ARRAYS, *FORMS)


class Notify(Doors):
    """Notify with one mailbox, in which one notice waits for its receipt and one invitation for its reply."""

    reference = ""

    def write(self) -> None:
        keyring = load_keyring(self.place.suite.settings)
        seal = {"tag": keyring.tag(PHONE), "phone": keyring.seal(PHONE, f"{CASE}:phone")}
        about = ABOUT.model_copy(update={"contact": ABOUT.contact.model_copy(update=seal)})
        events = [event.model_copy(update={"about": about}) for event in (sample(Accepted, START), invited(START))]
        for event in events:
            headers, value = encode(Envelope(f"e-{event.TYPE}", source_of(event.PUBLISHER), 1, event))
            self.run(self.place.suite.bus.publish([Record(case_topic(event.PUBLISHER), CASE, headers, value)]))
        self.run(until(lambda: len(self.place.city.sms.of_phone(PHONE)) == len(events)))
        self.settle()
        self.reference = f"{seal['tag']}.{notice_key(events[0])}"

    def push(self, door: str, content: Any, secret: str = SECRET) -> Heard:
        return self.send(replace(request_of(door, written(door, content)), path=path_of(door, secret)))


def path_of(door: str, secret: str) -> str:
    provider, _, kind = door.partition("/")
    return f"/notify/webhooks/{provider}/{secret}/{kind}"


def request_of(door: str, body: bytes) -> Request:
    return Request(path_of(door, SECRET), body)


def written(door: str, content: Any) -> bytes:
    """As this door's provider writes it. In a form a value that is no text is written as JSON."""
    if door in FORMS and isinstance(content, dict):
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in content.items()}
        return urlencode(texts, errors="surrogatepass").encode()
    return json.dumps(content).encode()


def bent(door: str, body: bytes) -> bytes:
    """A body that went wrong as JSON does, in the way of this door: where it still is an object, as a form."""
    try:
        return written(door, json.loads(body)) if door in FORMS else body
    except (ValueError, RecursionError):
        return body


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notify]:
    found = Notify(Standing, tmp_path_factory.mktemp("doors"), ("notify", build), START, ENV)
    found.write()
    yield found
    found.close()


def content(door: str, reference: str, phone: str) -> Any:
    """A push as the provider's document prints it."""
    when = "2026-04-09 10:00:00"
    pushes: dict[str, Any] = {
        "aliyun/reports": [
            {
                "phone_number": phone, "send_time": when, "report_time": when, "success": True, "err_code": "DELIVERED",
                "err_msg": "用户接收成功", "sms_size": "1", "biz_id": "12345", "out_id": reference,
            }
        ],
        "aliyun/replies": [
            {
                "phone_number": phone, "send_time": when, "content": "满意", "sign_name": "亳州政务",
                "dest_code": "10690000", "sequence_id": 1234567890,
            }
        ],
        "tencent/reports": [
            {
                "user_receive_time": when, "nationcode": "86", "mobile": phone, "report_status": "SUCCESS",
                "errmsg": "DELIVRD", "description": "用户短信送达成功", "sid": "8:12345", "ext": reference,
            }
        ],
        "tencent/replies": [
            {"nationcode": "86", "mobile": phone, "text": "满意", "sign": "亳州政务", "time": 1775700000, "extend": "0"}
        ],
        "huawei/reports": {
            "sequence": "1", "total": "1", "orgCode": "000", "updateTime": "2026-04-09T02:00:00Z", "source": "2",
            "smsMsgId": "b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac_6", "status": "DELIVRD", "extend": reference,
            "to": f"+86{phone}",
        },
        "huawei/replies": {
            "from": f"+86{phone}", "to": "201804131431201234", "body": "满意",
            "smsMsgId": "9692b5be-c427-4525-8e73-cf4a6ac5b3f7",
        },
    }  # fmt: skip
    return pushes[door]


def refused(words: Any) -> bool:
    """Neither document has words for a failure, only a status: ours are a problem."""
    return bool(words["type"] == f"urn:tongban:problem:{words['rule']}" and words["title"] and words["errors"])


def target(doors: Notify, door: str, phone: str = PHONE) -> Target:
    def forged(request: Request, text: str) -> Request:
        return replace(request, path=path_of(door, "x" + quote(text.replace("/", "|"), safe="")))

    good = content(door, doors.reference, phone)
    return Target(good, lambda body: request_of(door, bent(door, body)), forged, refused)


@pytest.mark.parametrize("each", EACH)
@pytest.mark.parametrize("door", DOORS)
def test_without_the_secret_nothing_is_taken_and_nothing_changes(doors: Notify, door: str, each: int) -> None:
    """Of a number that has open notices, and so would be changed."""
    assert hostile(doors, target(doors, door), each, authentic=False) >= each


@pytest.mark.parametrize("each", EACH)
@pytest.mark.parametrize("door", DOORS)
def test_authentic_nonsense_is_taken_or_refused(doors: Notify, door: str, each: int) -> None:
    assert hostile(doors, target(doors, door), each, authentic=True) >= each
    heard = doors.push(door, content(door, doors.reference, PHONE))
    assert (heard.status, heard.words) == (200, ACCEPTED[door.partition("/")[0]]), "the door still works"


@pytest.mark.parametrize("door", DOORS)
def test_what_names_no_message_of_ours_changes_nothing(doors: Notify, door: str) -> None:
    """A number that we do not know, a notice that this mailbox does not have, a reference of somebody else."""
    tag, _, key = doors.reference.partition(".")
    before = doors.kept()
    for reference in (f"{'0' * 32}.{key}", f"{tag}.{'0' * 24}", "", "123456", doors.reference + "0", "签名"):
        for phone in ("13900000000", "", "+8613900000000", "１４４", "\x00"):
            heard = doors.push(door, content(door, reference, phone))
            assert (heard.status, heard.words) == (200, ACCEPTED[door.partition("/")[0]])
    assert doors.kept() == before


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("chunked", [False, True])
def test_too_much_is_refused(doors: Notify, door: str, chunked: bool) -> None:
    """Whether it says so beforehand or not."""
    before = doors.kept()
    heard = doors.send(replace(request_of(door, b" " * 1_000_001), chunked=chunked))
    assert (heard.status, refused(heard.words), heard.words["rule"]) == (413, True, "body_too_large")
    assert doors.kept() == before


@pytest.mark.parametrize("door", DOORS)
def test_a_repeated_push_changes_nothing(doors: Notify, door: str) -> None:
    push = content(door, doors.reference, PHONE)
    assert doors.push(door, push).status == 200
    doors.settle()  # what the first one has ended is said
    before = doors.kept()
    assert doors.push(door, push).status == 200
    assert doors.kept() == before


@pytest.mark.parametrize("door", ARRAYS)
def test_a_push_of_too_many_items_holds_nobody_up(doors: Notify, door: str) -> None:
    heard = doors.send(request_of(door, b"[" + b"{}," * 300_000 + b"{}]"))
    assert (heard.status, heard.words["rule"]) == (400, "push_unreadable")
    assert doors.push(door, [{}] * 2_000).status == 200


@pytest.mark.parametrize("door", FORMS)
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda form: form + b"&" + form, (None, "form_repeated")),
        (lambda form: form + b"&smsMsgId=another", ("smsMsgId", "form_repeated")),
        (lambda form: form.replace(b"smsMsgId=", b"smsmsgid="), ("smsMsgId", "missing")),
        (lambda form: form.replace(b"%2B86", b"%FF86"), (None, "form_invalid")),
        (lambda form: form.replace(b"%2B86", "签名".encode("gb18030")), (None, "form_invalid")),
        (lambda form: form + b"&x" * 1_000, (None, "form_invalid")),
        (lambda form: json.dumps([{"smsMsgId": "x", "status": "DELIVRD"}]).encode(), (None, "form_invalid")),
        (lambda form: b"", ("smsMsgId", "missing")),
    ],
)
def test_what_is_wrong_with_a_form_is_named_and_nothing_of_it_is_taken(
    doors: Notify, door: str, change: Callable[[bytes], bytes], problem: tuple[str | None, str]
) -> None:
    doors.settle()
    before = doors.kept()
    body = change(written(door, content(door, doors.reference, "14400000002")))
    heard = doors.send(request_of(door, body))
    assert (heard.status, heard.words["rule"]) == (400, "push_unreadable")
    ((field, rule),) = [(error.get("field"), error["rule"]) for error in heard.words["errors"]]
    assert rule == problem[1]
    assert problem[0] in (field, None)
    assert doors.kept() == before


@pytest.mark.parametrize("door", FORMS)
def test_values_of_a_form_at_their_ends(doors: Notify, door: str) -> None:
    """Taken or refused by name; a form of one field with all the bytes that a body may have is no other case."""
    good = content(door, doors.reference, "14400000002")
    for name in good:
        for value in ("", " ", "\x00", "0", "-1", "99", "100", "9" * 5_000, "１２", "x" * 200_000, "𠮷"):
            heard = doors.push(door, {**good, name: value})
            assert heard.status in (200, 400), (name, value[:20])
            if heard.status == 400:
                assert [error["field"] for error in heard.words["errors"]] == [name]
    assert doors.send(request_of(door, b"x=" + b"y" * 900_000)).status == 400
