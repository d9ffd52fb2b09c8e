"""Promise: a document keeps what an event said of its case as it was said, and says it again in the same words.

It must never need a service: the states are made here.
"""

from __future__ import annotations

import json
from datetime import datetime

import msgspec
import pytest
from pydantic import ValidationError

from chassis.law.rights import NOBODYS
from chassis.verbatim import OfCase, Verbatim, read, said, written
from contracts.event import SHANGHAI, About
from contracts.intake import Lapsed
from tests.services.samples import ABOUT, CASE

AT = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
ENCODER = msgspec.json.Encoder(enc_hook=written)


class Toy(OfCase, frozen=True, kw_only=True):
    n: int = 0


DECODER = msgspec.json.Decoder(Toy, dec_hook=read)


def test_what_was_said_lies_in_about_and_is_said_again() -> None:
    body = ENCODER.encode(Toy(id=CASE, n=3, heard=Verbatim.of(ABOUT)))
    assert json.loads(body) == {"id": CASE, "n": 3, "about": ABOUT.model_dump(mode="json", exclude_none=True)}
    state = DECODER.decode(body)
    assert state == Toy(id=CASE, n=3, heard=Verbatim.of(ABOUT))
    assert said(Lapsed, state, AT) == Lapsed(at=AT, case=CASE, about=ABOUT)
    assert state.about is state.about, "built once"


def test_what_a_later_version_has_said_beside_it_is_passed_over_and_written_as_it_was() -> None:
    """Replicas are restarted one after the other."""
    plain = ABOUT.model_dump(mode="json", exclude_none=True)
    later = {**plain, "later": [1], "contact": {**plain["contact"], "later": "x"}}
    body = json.dumps({"id": CASE, "about": later, "n": 2}).encode()
    state = DECODER.decode(body)
    assert (state.about, state.whose().departments) == (ABOUT, (ABOUT.department,))
    assert json.loads(ENCODER.encode(state)) == json.loads(body)
    handed = state.heard.but(department="民政局")
    assert handed.whole == ABOUT.model_copy(update={"department": "民政局"})
    assert handed.plain["later"] == [1]


def test_where_something_lacks_whoever_asks_is_told() -> None:
    with pytest.raises(ValidationError):
        _ = DECODER.decode(b'{"id":"x","about":{"number":"1"}}').about


def test_where_nothing_was_said_nobody_owns_it() -> None:
    blank = Toy(id=CASE)
    assert (bool(blank.heard), blank.whose()) == (False, NOBODYS)
    assert DECODER.decode(ENCODER.encode(blank)) == blank
    heard = Toy(id=CASE, heard=Verbatim.of(ABOUT))
    assert heard.whose().departments == (ABOUT.department,)


def test_no_repr_shows_what_is_inside() -> None:
    assert repr(Verbatim.of(ABOUT)) == f"<{About.__name__}>"


def test_a_village_is_nearer_than_its_county() -> None:
    village = ABOUT.model_copy(update={"place": f"{ABOUT.area}101"})
    assert [ABOUT.whereabouts, village.whereabouts] == [ABOUT.area, f"{ABOUT.area}101"]
