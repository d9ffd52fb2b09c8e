"""Promise: an SMS provider is one module that declares everything particular about it, and forgets nothing.

A module of this test stands in a folder of its own; no provider is ever called.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.decision import Errand
from contracts.intake import Accepted
from services.notify import providers
from services.notify.mailbox.rules import notice_key
from services.notify.providers import KNOWN
from services.notify.providers.port import Items, Provider
from tests.services.notify.test_mailbox import NOON, Box, sample

IMPORTS = """
from services.notify.providers.port import Provider
from services.notify.providers.aliyun import PROVIDER as OTHER
"""
WHOLE = """
PROVIDER = Provider(
    name="third",
{fields}
)
"""
NAMES = [field.name for field in dataclasses.fields(Provider) if field.name != "name"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One more folder in which providers are looked for."""
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    yield tmp_path
    sys.modules.pop(f"{providers.__name__}.third", None)


def written(folder: Path, *names: str) -> None:
    fields = "\n".join(f"    {name}=OTHER.{name}," for name in names)
    (folder / "third.py").write_text(IMPORTS + WHOLE.format(fields=fields), "utf-8")


def test_a_third_provider_is_a_module_in_the_folder(folder: Path) -> None:
    written(folder, *NAMES)
    assert {"aliyun", "tencent"} <= KNOWN.keys()
    assert [provider.name for provider in providers.declared()] == [*KNOWN, "third"]


@pytest.mark.parametrize("forgotten", NAMES)
def test_a_provider_that_leaves_one_thing_out_cannot_be_imported(folder: Path, forgotten: str) -> None:
    written(folder, *(name for name in NAMES if name != forgotten))
    with pytest.raises(TypeError, match=f"'{forgotten}'"):
        list(providers.declared())


@pytest.mark.parametrize("forgotten", [field.name for field in dataclasses.fields(Items)])
def test_a_push_that_leaves_one_thing_out_cannot_be_imported(folder: Path, forgotten: str) -> None:
    """Above all how it is taken apart, which no two providers do alike."""
    kept = ", ".join(
        f"{field.name}=PUSH.{field.name}" for field in dataclasses.fields(Items) if field.name != forgotten
    )
    text = f"from services.notify.providers.port import Items\nPUSH = OTHER.receipts\nITEMS = Items({kept})\n"
    (folder / "third.py").write_text(IMPORTS + text, "utf-8")
    with pytest.raises(TypeError, match=f"'{forgotten}'"):
        list(providers.declared())


def test_a_module_that_declares_nothing_cannot_be_imported(folder: Path) -> None:
    (folder / "third.py").write_text("", "utf-8")
    with pytest.raises(AttributeError, match="PROVIDER"):
        list(providers.declared())


def test_two_providers_share_neither_name_nor_setting(folder: Path) -> None:
    written(folder, *NAMES)
    with pytest.raises(ValueError, match="third"):
        providers.named(providers.declared())


LISTING = {"aliyun": True, "tencent": False, "huawei": False}
"""QuerySendDetails has what SendSms has taken; Tencent shows a message once it has a receipt; Huawei is never asked."""


@pytest.mark.parametrize("name", KNOWN)
def test_what_a_provider_proves_is_kept_with_every_message(name: str) -> None:
    """A message is made carefully where "not found" would prove nothing."""
    box, event = Box(providers=(name,)), sample(Accepted)
    box.hear(event, NOON)
    assert box.sms.out_id.endswith(notice_key(event))
    assert (KNOWN[name].lists_all, box.sms.careful()) == (LISTING[name], not LISTING[name])


def test_an_errand_says_what_not_found_proves() -> None:
    with pytest.raises(TypeError, match="Forgetful"):
        type("Forgetful", (Errand,), {})
