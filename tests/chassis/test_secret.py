"""Secrets as settings: how they are written, compared and hidden, and what every section says of its own.

Tables and the sections themselves; nothing here starts a suite.
"""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from chassis import discovery
from chassis.kinds import Address
from chassis.secret import CLOSED, Opens, Secrets, Way
from chassis.settings import Section, SettingsError

NEW, OLD = "n" * 16, "o" * 16
CANARY = "c4n4ry-" + "x" * 20
FORMS = {
    "TONGBAN_KEYS": f"k1:aes-256-gcm:{CANARY}",
    "TONGBAN_TAG_SECRET": CANARY,
    "TONGBAN_PORTAL_KEYS": f"demo={CANARY}",
    "TONGBAN_COURIER_EMS_SECRET": CANARY,
    "TONGBAN_COURIER_STANDARD_WEBHOOKS": f"one={CANARY}",
    "TONGBAN_NOTIFY_WEBHOOKS": f"demo=https://portal.example/{CANARY}",
    "TONGBAN_NOTIFY_HUAWEI_CALLBACK": CANARY,
    "TONGBAN_NOTIFY_SMTP": f"smtp://{CANARY}@",
}
"""Wrong in a way of their own."""
SECTIONS = discovery.sections().values()
ALL = [(section, name) for section in SECTIONS for name in section.secrets()]


@pytest.mark.parametrize(
    ("text", "live"), [("", ()), (NEW, (NEW,)), (f"{NEW},{OLD}", (NEW, OLD)), (f" {NEW} , {OLD} ", (NEW, OLD))]
)
def test_how_live_values_are_written(text: str, live: tuple[str, ...]) -> None:
    assert Secrets.read(text) == Secrets(*live)
    assert bool(Secrets.read(text)) is bool(live)


@pytest.mark.parametrize("text", [",", " ", f"{NEW},", f",{NEW}", f"{NEW},{NEW}", f"{NEW},{OLD},third"])
def test_what_is_neither_one_nor_two_values(text: str) -> None:
    with pytest.raises(ValueError, match="one or two different values") as refused:
        Secrets.read(text)
    assert NEW not in str(refused.value)


def test_either_value_is_accepted_and_nothing_else() -> None:
    both = Secrets(NEW, OLD)
    assert [both.accepts(text) for text in (NEW, OLD, "", NEW[:-1], f"{NEW} ", f"{NEW},{OLD}", "签名", "\ud800")] == [
        True, True, False, False, False, False, False, False,
    ]  # fmt: skip
    assert both.proves(b"<" + OLD.encode(), lambda value: f"<{value}".encode())
    assert not both.proves(b"<", lambda value: f"<{value}".encode())


def test_where_there_is_none_nothing_is_accepted() -> None:
    assert not any(CLOSED.accepts(text) for text in ("", " ", "None", "()", ","))
    assert not CLOSED.proves(b"", lambda value: b"")


def test_no_representation_holds_a_value() -> None:
    for shown in (repr(Secrets(NEW, OLD)), str(Secrets(NEW)), f"{Secrets(OLD)}"):
        assert NEW not in shown
        assert OLD not in shown


@pytest.mark.parametrize(("section", "name"), ALL, ids=[section.variable(name) for section, name in ALL])
def test_a_secret_has_no_default_says_what_it_opens_and_is_not_repeated(section: type[Section], name: str) -> None:
    variable, opens = section.variable(name), section.secrets()[name]
    assert not section.model_fields[name].get_default(call_default_factory=True)
    assert opens.what
    (row,) = [row for row in section.table() if row["variable"] == variable]
    assert (row["default"], row["secret"]) == ("", True)
    wrong = FORMS.get(variable, f"{CANARY},{CANARY}" if opens.way in (Way.OURS, Way.THEIRS) else "")
    if wrong:
        with pytest.raises(SettingsError) as refused:
            section.read({variable: wrong})
        assert variable in str(refused.value)
        assert "stays secret" in str(refused.value)
        assert CANARY not in str(refused.value)
        with pytest.raises(ValidationError) as inside:
            section.model_validate({name: wrong})
        assert CANARY not in str(inside.value)
    else:
        beside = {"TONGBAN_NOTIFY_WECHAT_APP": "wx", "TONGBAN_NOTIFY_WECHAT_TOKEN": NEW}
        env = {variable: CANARY, **(beside if "WECHAT" in variable else {})}
        read = section.read(env)
        assert CANARY not in f"{read!r} {read} {read.closed()}"
        assert variable not in read.closed()


class Giving(Section):
    """A partner is told where to push, at an address that is a secret."""

    prefix = "TONGBAN_GIVING_"

    url: Address = Field("https://partner.example/api", description="Theirs.")
    callback: Annotated[Address, Opens("pushes", Way.SHOWN)] = Field("", repr=False, description="Ours.")


def test_an_address_of_ours_that_is_a_secret_is_neither_asked_nor_shown_to_operators() -> None:
    given = Giving.read({"TONGBAN_GIVING_CALLBACK": f"https://city.example/{CANARY}/reports"})
    assert given.outside() == {"TONGBAN_GIVING_URL": "https://partner.example/api"}
    assert CANARY not in repr(given)
    with pytest.raises(SettingsError) as refused:
        Giving.read({"TONGBAN_GIVING_CALLBACK": CANARY})
    assert "must be an address" in str(refused.value)
    assert CANARY not in str(refused.value)


def test_whatever_is_called_a_secret_is_one() -> None:
    """A field whose name says that it is a secret is declared as one; the name beside a secret is none."""
    words = ("secret", "password", "salt", "token", "push_key", "authorization", "_keys")
    beside = {"kafka_token", "tencent_key", "sms_key", "files_key"}
    for section in SECTIONS:
        named = {name for name in section.model_fields if any(word in name for word in words)}
        assert named - beside <= section.secrets().keys()


@pytest.mark.parametrize(
    "value", ["short", "x" * 15, "with blanks in the middle", "with/slash/in/an/address", "签" * 20]
)
def test_what_we_invent_is_long_and_fits_into_an_address(value: str) -> None:
    section = discovery.sections()["courier"]
    with pytest.raises(SettingsError, match="at least 16 letters") as refused:
        section.read({"TONGBAN_COURIER_SF_SECRET": value})
    assert value not in str(refused.value)
