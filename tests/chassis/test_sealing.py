"""Sealed fields: published vectors, a wrong place, tampering, key rotation, tags, and keys made once in the folder.

Reads `chassis.sealing` only; every key here is published or random.
"""

from __future__ import annotations

import base64
import contextlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.run.keyring import load_keyring
from chassis.sealing import ALGORITHMS, NONCE, Keyring, SealError, Sm4Gcm
from chassis.settings import ChassisSettings, SettingsError
from contracts.event import Sealed

AES = "a1:aes-256-gcm:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SM4 = "s1:sm4-gcm:AAECAwQFBgcICQoLDA0ODw=="
SECRET = base64.b64encode(b"\x0b" * 20).decode()
BOTH = {name: Keyring.generate(name) for name in ALGORITHMS}
each = pytest.mark.parametrize("keyring", BOTH.values(), ids=BOTH)

# One vector per algorithm: key, nonce, plaintext, associated data, ciphertext and tag.
VECTORS = {
    "aes-256-gcm": (  # McGrew and Viega, The Galois/Counter Mode of Operation, test case 16
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        (
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ),
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        (
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b"
        ),
    ),
    "sm4-gcm": (  # RFC 8998, appendix A.1
        "0123456789abcdeffedcba9876543210",
        "00001234567800000000abcd",
        (
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
            "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
        ),
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        (
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
            "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
            "83de3541e4c2b58177e065a9bf7b62ec"
        ),
    ),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_published_vectors(algorithm: str) -> None:
    key, nonce, plain, associated, sealed = map(bytes.fromhex, VECTORS[algorithm])
    cipher = ALGORITHMS[algorithm][1](key)
    assert cipher.encrypt(nonce, plain, associated) == sealed
    assert cipher.decrypt(nonce, sealed, associated) == plain
    with pytest.raises(InvalidTag):
        cipher.decrypt(nonce, sealed, b"another place")


@pytest.mark.parametrize(
    "sealed",
    [
        "a1.AAECAwQFBgcICQoLo7hl_nJ74iq-eaa5gt1NW7TunTzQxenT364Flc0WTZ1R5g",
        "s1.AAECAwQFBgcICQoLc_xtHn70pTHMpEV_4o_MUBavzoIX1SWLiJj5UXCrksLa7A",
    ],
)
def test_fields_sealed_long_ago_still_open(sealed: str) -> None:
    assert Keyring(f"{AES},{SM4}", SECRET).open(sealed, "case/phone") == "亳州 13812345678"


@each
@given(plain=st.text(), context=st.text())
def test_what_is_sealed_opens_in_its_place_only(keyring: Keyring, plain: str, context: str) -> None:
    sealed = keyring.seal(plain, context)
    assert keyring.open(sealed, context) == plain
    TypeAdapter(Sealed).validate_python(sealed)
    with pytest.raises(SealError):
        keyring.open(sealed, context + "/other")


@each
def test_sealing_twice_gives_two_different_fields(keyring: Keyring) -> None:
    assert keyring.seal("13812345678", "case/phone") != keyring.seal("13812345678", "case/phone")


@each
@given(plain=st.text(max_size=30), at=st.integers(0), bit=st.integers(0, 7))
def test_a_single_changed_bit_is_found(keyring: Keyring, plain: str, at: int, bit: int) -> None:
    kid, text = keyring.seal(plain, "case/phone").split(".")
    box = bytearray(base64.urlsafe_b64decode(text + "=="))
    box[at % len(box)] ^= 1 << bit
    with pytest.raises(SealError):
        keyring.open(f"{kid}.{base64.urlsafe_b64encode(box).decode().rstrip('=')}", "case/phone")


@each
@given(plain=st.text(max_size=30), at=st.integers(0), to=st.characters())
def test_a_changed_sign_never_opens_to_something_else(keyring: Keyring, plain: str, at: int, to: str) -> None:
    sealed = keyring.seal(plain, "case/phone")
    at %= len(sealed)
    with contextlib.suppress(SealError):  # the last sign may have bits that mean nothing
        assert keyring.open(sealed[:at] + to + sealed[at + 1 :], "case/phone") == plain


@each
@pytest.mark.parametrize(
    "sealed", ["", ".", "k1", "k1.", "k1.AAAA", "k1.é", "k1." + "A" * 23, "nobody.AAAA", "13812345678"]
)
def test_rubbish_is_refused_without_repeating_it(keyring: Keyring, sealed: str) -> None:
    with pytest.raises(SealError) as error:
        keyring.open(sealed, "case/phone")
    assert "13812345678" not in str(error.value)


def test_keys_rotate_the_first_seals_and_all_open() -> None:
    old = Keyring(AES, SECRET)
    new = Keyring(f"{SM4},{AES}", SECRET)
    before = old.seal("张三", "case/name")
    assert before.startswith("a1.")
    assert new.open(before, "case/name") == "张三"
    after = new.seal("张三", "case/name")
    assert after.startswith("s1.")
    with pytest.raises(SealError, match="does not hold"):
        old.open(after, "case/name")
    assert new.tag("13812345678") == old.tag("13812345678"), "tags outlive keys"


def test_the_key_id_cannot_be_exchanged() -> None:
    ring = Keyring(f"{AES},{AES.replace('a1', 'a2')}", SECRET)
    sealed = ring.seal("张三", "case/name")
    assert ring.open("a2." + sealed[3:], "case/name") == "张三", "the same key under another id is the same key"
    other = Keyring(f"a1{Keyring.generate_settings()[0][2:]}", SECRET)
    with pytest.raises(SealError):
        other.open(sealed, "case/name")


def test_tags_are_hmac_sha256_cut_to_32_digits() -> None:
    assert Keyring("", SECRET).tag("Hi There") == "b0344c61d8db38535ca8afceaf0bf12b", "RFC 4231, test case 1"


def test_a_holder_of_no_key_can_only_make_tags() -> None:
    ring = Keyring("", SECRET)
    with pytest.raises(SealError, match="no key"):
        ring.seal("张三", "case/name")
    with pytest.raises(SealError, match="does not hold"):
        ring.open(BOTH["sm4-gcm"].seal("张三", "case/name"), "case/name")
    with pytest.raises(SealError, match="no secret"):
        Keyring(AES, "").tag("13812345678")
    assert repr(ring) == "<Keyring without keys>"


@pytest.mark.parametrize(
    ("keys", "secret", "why"),
    [
        ("a1", SECRET, "key a1: algorithm"),
        ("a1:des:AAAA", SECRET, "key a1: algorithm"),
        ("a.1:sm4-gcm:AAAA", SECRET, "letters, digits and hyphens"),
        ("a1:aes-256-gcm:AAAA", SECRET, "key a1: 32 bytes expected, 3 given"),
        ("a1:aes-256-gcm:geheim!", SECRET, "key a1: not valid base64"),
        (f"{AES},{AES}", SECRET, "key a1: given twice"),
        (AES, "AAAA", "tag secret: at least 16"),
        (AES, "geheim!", "tag secret: not valid base64"),
    ],
)
def test_wrong_settings_are_named_and_never_shown(keys: str, secret: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        Keyring(keys, secret)
    assert "geheim" not in str(error.value)
    assert "AAECAw" not in str(error.value)


def test_no_repr_shows_a_key() -> None:
    ring = Keyring(f"{AES},{SM4}", SECRET)
    assert repr(ring) == "<Keyring a1 s1>"
    assert ring.current == "a1"
    key = bytes(range(16))
    assert key.hex() not in repr(Sm4Gcm(key))


def test_generating_for_an_unknown_algorithm() -> None:
    with pytest.raises(ValueError, match="unknown"):
        Keyring.generate("des")


# ------------------------------------------------------------------------------------------- keys made in the folder


def test_keys_are_made_once_and_read_by_the_owner_alone(tmp_path: Path) -> None:
    settings = ChassisSettings(dir=tmp_path, sandbox=True)
    sealed = load_keyring(settings).seal("张三", "case/name")
    assert load_keyring(settings).open(sealed, "case/name") == "张三"
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]


def test_processes_that_start_together_get_the_same_keys(tmp_path: Path) -> None:
    settings = ChassisSettings(dir=tmp_path, sandbox=True)
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: load_keyring(settings), range(32)))
    sealed = rings[0].seal("张三", "case/name")
    assert {ring.open(sealed, "case/name") for ring in rings} == {"张三"}
    assert len({ring.tag("13812345678") for ring in rings}) == 1


def test_settings_win_over_the_folder(tmp_path: Path) -> None:
    ring = load_keyring(ChassisSettings(dir=tmp_path, keys=AES, tag_secret=SECRET))
    assert repr(ring) == "<Keyring a1>"
    assert not (tmp_path / "keys").exists()
    half = load_keyring(ChassisSettings(dir=tmp_path, keys=SM4, sandbox=True))
    assert repr(half) == "<Keyring s1>"
    assert half.tag("13812345678") == load_keyring(ChassisSettings(dir=tmp_path, sandbox=True)).tag("13812345678")


def test_wrong_keys_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TONGBAN_KEYS"):
        ChassisSettings.read({"TONGBAN_KEYS": "a1:aes-256-gcm:AAAA", "TONGBAN_TAG_SECRET": SECRET})
    (tmp_path / "keys").write_text("half a file\nand\nmore")
    with pytest.raises(SettingsError, match="one line"):
        load_keyring(ChassisSettings(dir=tmp_path, sandbox=True))


@pytest.mark.parametrize("given", [{}, {"keys": AES}, {"tag_secret": SECRET}])
def test_outside_the_sandbox_no_key_is_made(tmp_path: Path, given: dict[str, Any]) -> None:
    """Another replica would not have it."""
    with pytest.raises(SettingsError, match="must be set, the same for all replicas") as refused:
        load_keyring(ChassisSettings(dir=tmp_path, **given))
    assert len(refused.value.problems) == 1
    assert not any(value in str(refused.value) for value in given.values())
    assert list(tmp_path.iterdir()) == []


def test_what_a_rule_seals_is_sealed_alike_in_its_place_and_nowhere_else() -> None:
    ring = Keyring.generate()
    sealed = ring.seal_alike("13800000000", "c-1:phone")
    assert ring.seal_alike("13800000000", "c-1:phone") == sealed
    assert ring.open(sealed, "c-1:phone") == "13800000000"
    nonces = {
        base64.urlsafe_b64decode(text.partition(".")[2] + "==")[:NONCE]
        for text in (
            sealed,
            ring.seal_alike("13800000000", "c-2:phone"),
            ring.seal_alike("13800000001", "c-1:phone"),
            ring.seal("13800000000", "c-1:phone"),
            ring.seal("13800000000", "c-1:phone"),
            Keyring.generate().seal_alike("13800000000", "c-1:phone"),
        )
    }
    assert len(nonces) == 6, "no nonce serves for two"
