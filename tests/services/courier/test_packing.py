"""A push kept behind the evidence is opened as it came, also one that an earlier version kept; a changed one never.

No suite runs here; it must never print what a push says.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.sealing import Keyring, SealError
from services.courier.packing import packed, unpacked

KEYRING = Keyring.generate()
PUSHED = (
    b'[{"traceNo":"1201000000587","opName":"\xe6\x94\xb6\xe5\xaf\x84"},{"traceNo":"1201000000587","opName":"x"}]' * 8
)


@given(st.binary(max_size=2000))
def test_what_is_packed_is_unpacked(pushed: bytes) -> None:
    assert unpacked(KEYRING, packed(KEYRING, pushed, "w-1"), "w-1") == pushed


def test_it_is_much_shorter_than_sealed_alone() -> None:
    assert len(packed(KEYRING, PUSHED, "w-1")) * 3 < len(KEYRING.seal(PUSHED.decode(), "w-1:evidence"))


def test_what_was_sealed_before_is_opened_still() -> None:
    assert unpacked(KEYRING, KEYRING.seal(PUSHED.decode(), "w-1:evidence"), "w-1") == PUSHED


@pytest.mark.parametrize(
    "spoil", [lambda s: s[:-5], lambda s: s[:9] + "é" + s[10:], lambda s: "z:", lambda s: "z:k9." + s[5:]]
)
def test_what_was_changed_is_refused(spoil: Callable[[str], str]) -> None:
    whole = packed(KEYRING, PUSHED, "w-1")
    with pytest.raises(SealError):
        unpacked(KEYRING, spoil(whole), "w-1")
    with pytest.raises(SealError):
        unpacked(KEYRING, whole, "w-2")
