"""E-mail over SMTP: the message as it travels, and what each answer, cut and silence of a real server means.

Nothing may be sent twice, and nothing be called lost that certainly was not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from email import message_from_bytes, policy
from email.headerregistry import DateHeader
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from chassis.clock import Clock
from chassis.decision import Lost, Reject, Retry, Unknown
from chassis.sealing import Keyring
from chassis.secret import Secrets
from chassis.settings import SettingsError
from contracts.event import SHANGHAI
from services.notify.channels.email import IDLE, MOST_UNSENT, Mail
from services.notify.errands import SendMail
from services.notify.settings import Relay, Settings, relay_of
from tests.contracts.samples import CASE
from tests.services.notify.mailserver import Post, certificate, post, script

pytestmark = pytest.mark.anyio
KEYRING = Keyring.generate()
ADDRESS = "zhang.san+ywt@example.com"
ID = "5f0c2a1e-0000-5000-8000-000000000001"
SUBJECT = "您的食品经营许可(餐饮)申请已受理, 编号 3707-0102-0042, 请在承诺期限内留意后续通知"
TEXT = "您好:\n\n.您的申请已受理。\n" + "很长的一行" * 60 + "\n.\n【亳州政务】"


class Noon(Clock):
    def system(self) -> float:
        return datetime(2026, 4, 1, 12, tzinfo=SHANGHAI).timestamp()


def errand(address: str = ADDRESS, subject: str = SUBJECT) -> SendMail:
    sealed = KEYRING.seal(address, f"{CASE}:email")
    return SendMail(case=CASE, key="ab" * 12, email=sealed, subject=subject, text=TEXT)


def mail(port: int, scheme: str = "smtp", host: str = "127.0.0.1", login: str = "") -> Mail:
    url = f"{scheme}://{login}{host}:{port}"
    return Mail(Settings(smtp=url, mail_from="notice@bozhou.example", mail_name="亳州政务"), KEYRING, Noon())


@pytest.fixture
async def server() -> AsyncIterator[Post]:
    async with post() as found:
        yield found


@pytest.fixture
async def runner(server: Post) -> AsyncIterator[Mail]:
    found = mail(server.port)
    yield found
    await found.close()


async def cut_off(runner: Mail, server: Post) -> None:
    """As the chassis cuts off what takes too long: here while the server holds its answer back."""
    making = asyncio.create_task(runner.make(ID, errand()))
    async with asyncio.timeout(20):
        await server.waited.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making


# ------------------------------------------------------------------------------------------------------------- bytes


async def test_the_message_as_it_travels(server: Post, runner: Mail) -> None:
    assert await runner.make(ID, errand()) == {}
    (letter,) = server.letters
    assert (letter.mail_from, letter.rcpt_tos) == ("notice@bozhou.example", [ADDRESS])
    raw = letter.original_content
    assert raw is not None
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78
    found = message_from_bytes(raw, EmailMessage, policy=policy.default)
    assert isinstance(found, EmailMessage)
    assert [name for name, _ in found.items()] == [
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    ]  # fmt: skip
    assert (found["From"].addresses[0].display_name, found["From"].addresses[0].addr_spec) == (
        "亳州政务", "notice@bozhou.example",
    )  # fmt: skip
    assert (found["To"], found["Subject"]) == (ADDRESS, SUBJECT)
    assert b"Subject: =?utf-8?" in raw
    assert isinstance(found["Date"], DateHeader)
    assert found["Date"].datetime == datetime(2026, 4, 1, 12, tzinfo=SHANGHAI)
    assert found["Message-ID"] == f"<{ID}@bozhou.example>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert (found.get_content_type(), found.get_content_charset()) == ("text/plain", "utf-8")
    assert found.get_content().replace("\r\n", "\n") == TEXT + "\n"


async def test_a_subject_cannot_bring_a_header_of_its_own(server: Post, runner: Mail) -> None:
    await runner.make(ID, errand(subject="受理\r\nBcc: other@example.com\n\n正文"))
    (letter,) = server.letters
    found = message_from_bytes(letter.original_content or b"", EmailMessage, policy=policy.default)
    assert found["Bcc"] is None
    assert found["Subject"] == "受理 Bcc: other@example.com 正文"


@pytest.mark.parametrize("address", ["", "a", "a@b@c", "a@b>\r\nRCPT TO:<c@d", "张三@example.com", "a b@example.com"])
async def test_what_is_no_address_goes_nowhere(server: Post, runner: Mail, address: str) -> None:
    with pytest.raises(Reject) as refused:
        await runner.make(ID, errand(address))
    assert refused.value.rule == "mail_refused"
    assert server.servers == []


# ----------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("stage", "answer", "met"),
    [
        ("MAIL", "451 4.3.0 later", Retry),
        ("MAIL", "550 5.1.0 sender unknown", Reject),
        ("RCPT", "450 4.2.1 greylisted", Retry),
        ("RCPT", "452 4.2.2 mailbox full", Retry),
        ("RCPT", "550 5.1.1 no such mailbox", Reject),
        ("DATA", "451 4.3.0 later", Retry),
        ("DATA", "550 5.7.1 rejected", Reject),
        ("DATA", "554 5.6.0 spam", Reject),
    ],
)
async def test_what_an_answer_means(server: Post, runner: Mail, stage: str, answer: str, met: type[Exception]) -> None:
    server.says[stage] = answer
    with pytest.raises(met) as said:
        await runner.make(ID, errand())
    assert ADDRESS not in f"{said.value!r}"
    if isinstance(said.value, Reject):
        assert said.value.rule == "mail_refused"
    server.says.clear()
    await runner.make(ID, errand())
    assert len({session.peer for session in server.sessions}) == 2, "what said no is not used again"


@pytest.mark.parametrize(
    ("answers", "met"),
    [
        ({"greeting": "421 4.3.2 closing"}, Retry),
        ({"greeting": "554 5.3.2 not for you"}, Retry),
        ({"greeting": None}, Retry),
        ({"greeting": "hello"}, Retry),
        ({"MAIL": None}, Retry),
        ({"MAIL": "421 closing"}, Retry),
        ({"RCPT": None}, Retry),
        ({"RCPT": "what?"}, Retry),
        ({"DATA": "451 later"}, Retry),
        ({"DATA": "503 no"}, Reject),
        ({"DATA": "250 unheard of"}, Retry),
        ({"DATA": None}, Retry),
        ({"dot": None}, Unknown),
        ({"dot": "hm"}, Unknown),
        ({"dot": "354 more"}, Unknown),
        ({"dot": "421 closing"}, Retry),
    ],
)
async def test_answers_and_cuts_of_odd_servers(answers: dict[str, str | None], met: type[Exception]) -> None:
    async with script(**answers) as server:
        runner = mail(server.port)
        with pytest.raises(met):
            await runner.make(ID, errand())
        with pytest.raises(Lost):
            await runner.ask(ID, errand())
        assert server.verbs.count("DATA") <= 1
        await runner.close()


async def test_nobody_there_is_tried_again_later() -> None:
    with pytest.raises(Retry):
        await mail(1).make(ID, errand())


async def test_without_a_mail_server_nothing_is_sent() -> None:
    with pytest.raises(Reject) as refused:
        await Mail(Settings(), KEYRING, Noon()).make(ID, errand())
    assert refused.value.rule == "mail_refused"
    assert Settings().channels == ()


# ------------------------------------------------------------------------------------------------- cut off, and asked


async def test_a_message_that_was_cut_after_its_last_dot_is_lost(server: Post, runner: Mail) -> None:
    server.cut = True
    with pytest.raises(Unknown):
        await runner.make(ID, errand())
    assert len(server.letters) == 1
    with pytest.raises(Lost):
        await runner.ask(ID, errand())


async def test_silence_after_the_last_dot_is_lost_too(server: Post, runner: Mail) -> None:
    server.says["DATA"] = held = asyncio.get_running_loop().create_future()
    await cut_off(runner, server)
    assert len(server.letters) == 1
    with pytest.raises(Lost):
        await runner.ask(ID, errand())
    held.cancel()


@pytest.mark.parametrize("stage", ["MAIL", "RCPT"])
async def test_what_was_cut_off_before_is_known_not_to_be_sent(server: Post, runner: Mail, stage: str) -> None:
    server.says[stage] = held = asyncio.get_running_loop().create_future()
    await cut_off(runner, server)
    await runner.ask(ID, errand())
    with pytest.raises(Lost):
        await runner.ask("another", errand())
    server.says = {"RCPT": "450 later"}
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    await runner.ask(ID, errand())
    server.says = {"DATA": "451 later"}
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    await runner.ask(ID, errand())
    server.says, server.cut, server.letters = {}, True, []
    with pytest.raises(Unknown):
        await runner.make(ID, errand())
    with pytest.raises(Lost):
        await runner.ask(ID, errand())
    held.cancel()


async def test_a_server_that_is_slow_before_the_message_costs_a_later_try(server: Post, runner: Mail) -> None:
    server.says["RCPT"] = held = asyncio.get_running_loop().create_future()
    runner.before = 0.2
    with pytest.raises(Retry):
        await runner.make(ID, errand())
    assert server.letters == []
    held.cancel()


async def test_what_is_remembered_is_bounded(server: Post, runner: Mail) -> None:
    server.says["MAIL"] = held = asyncio.get_running_loop().create_future()
    for number in range(MOST_UNSENT):
        runner._unsent[str(number)] = None
    await cut_off(runner, server)
    assert len(runner._unsent) == MOST_UNSENT
    await runner.ask(ID, errand())
    with pytest.raises(Lost):
        await runner.ask("0", errand())
    held.cancel()


# -------------------------------------------------------------------------------------------------------- connections


async def test_a_connection_carries_several_messages(server: Post, runner: Mail) -> None:
    for number in range(3):
        await runner.make(str(number), errand())
    assert len(server.letters) == 3
    assert len({session.peer for session in server.sessions}) == 1


async def test_few_connections_are_kept(server: Post, runner: Mail) -> None:
    await asyncio.gather(*(runner.make(str(number), errand()) for number in range(IDLE + 4)))
    assert len(server.letters) == IDLE + 4
    assert len(runner._idle) <= IDLE


async def test_a_server_that_has_hung_up_meanwhile_is_called_again(server: Post, runner: Mail) -> None:
    await runner.make("1", errand())
    server.hang_up()
    await runner.make("2", errand())
    assert len(server.letters) == 2


async def test_a_server_that_says_goodbye_on_a_kept_connection_is_called_again(server: Post, runner: Mail) -> None:
    """It closes only when it is spoken to: the first word on the old connection meets 421."""
    await runner.make("1", errand())
    told = iter(["421 4.4.2 idle too long"])

    async def once(verb: str) -> str | None:
        return next(told, None) if verb == "MAIL" else None

    server._word = once  # type: ignore[method-assign]
    await runner.make("2", errand())
    assert len(server.letters) == 2
    assert len({session.peer for session in server.sessions}) == 2


# ---------------------------------------------------------------------------------------------------- TLS and settings


async def test_tls_is_used_where_it_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with post(context, auth=True) as server:
        runner = mail(server.port, login="tongban:right%20p%40ss@")
        await runner.make(ID, errand())
        await runner.close()
        assert all(session.ssl is not None for session in server.sessions)
        assert [(one.login, one.password) for one in server.logins] == [(b"tongban", b"right p@ss")]
        wrong = mail(server.port, login="tongban:wrong@")
        with pytest.raises(Retry):
            await wrong.make(ID, errand())


async def test_tls_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with post(context, at_once=True, auth=True) as server:
        runner = mail(server.port, "smtps", login="tongban:right%20p%40ss@")
        await runner.make(ID, errand())
        await runner.close()
        assert len(server.letters) == len(server.logins) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_server_that_cannot_prove_who_it_is_gets_nothing(tmp_path: Path, scheme: str) -> None:
    _, context = certificate(tmp_path)
    async with post(context, at_once=scheme == "smtps") as server:
        with pytest.raises(Retry):
            await mail(server.port, scheme).make(ID, errand())
        assert server.letters == []


async def test_a_password_does_not_leave_the_machine_without_tls() -> None:
    async with script(EHLO="250-mail.test\r\n250 AUTH PLAIN LOGIN") as server:
        away = mail(server.port, host="127.1", login="tongban:secret@")  # the same machine by a name that is not known
        with pytest.raises(Retry):
            await away.make(ID, errand())
        assert "AUTH" not in server.verbs


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("", None),
        ("smtp://mail.example", Relay("mail.example", 25, False, None, None)),
        ("smtps://mail.example", Relay("mail.example", 465, True, None, None)),
        ("smtp://u%40x:p%2F:@mail.example:587", Relay("mail.example", 587, False, "u@x", "p/:")),
    ],
)
def test_the_address_of_a_mail_server(url: str, relay: Relay | None) -> None:
    assert relay_of(url) == Settings(smtp=url).relay == relay
    assert Settings(smtp=url).channels == (("email",) if url else ())


@pytest.mark.parametrize("value", ["mail.example:25", "http://s3cret", "smtp://s3cret@h", "smtp://h:s3cret", "smtp://"])
def test_a_wrong_mail_server_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^TONGBAN_NOTIFY_SMTP must be smtp://") as wrong:
        Settings.read({"TONGBAN_NOTIFY_SMTP": value})
    assert "s3cret" not in str(wrong.value)


@pytest.mark.parametrize("value", ["name", "@b.c", "a@b", "a@b@c.d", "a b@c.d", "张@b.c"])
def test_a_wrong_sender_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^TONGBAN_NOTIFY_MAIL_FROM is .*; it must be an e-mail address\.$"):
        Settings.read({"TONGBAN_NOTIFY_MAIL_FROM": value})


def test_secrets_and_people_are_in_no_repr() -> None:
    settings: Any = Settings(
        smtp="smtp://u:s3cret@mail.example",
        wechat_app="wx",
        wechat_secret="s3cret",
        wechat_token=Secrets("s3cret-of-sixteen"),
    )
    assert "s3cret" not in f"{settings!r}{settings.relay!r}"
    assert ADDRESS not in repr(errand())
