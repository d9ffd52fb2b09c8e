"""Promise: what any version has stored is read as it was meant, or a migration leads to what is meant now.

A golden document is never edited: a field added with a default adds one (`python -m tests.services.layouts`), a field
renamed, dropped or retyped needs an entry in `Decider.layouts` as well; this module never writes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chassis.decision import Decider, State
from chassis.document import Body, Open
from chassis.store import StoreDown
from chassis.stored import JSON, Stored
from tests.services.layouts import MAYBE, ROOT, Kind, Layout, differences, kinds, layout, read

KINDS = {kind.name: kind for kind in kinds()}
DROPPED: Mapping[tuple[str, int], frozenset[str]] = {}
"""By kind and layout: values of its goldens that its migration leaves out on purpose."""

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
each_golden = pytest.mark.parametrize(
    ("kind", "path"),
    [pytest.param(kind, path, id=f"{name}-{path.stem}") for name, kind in KINDS.items() for path in kind.goldens()],
)


def now(kind: Kind) -> Layout:
    state: Any = kind.decider.state
    return layout(Body[state], kind.errands)


def test_every_golden_is_of_a_kind_that_is() -> None:
    known = {path for kind in KINDS.values() for path in kind.goldens()}
    strays = {*ROOT.glob("services/*/golden/*.json"), *ROOT.glob("chassis/golden/*.json")}
    assert strays - known == set(), "a kind that was stored needs its rules, or a way to be rid of what is stored"


@each_kind
def test_the_newest_golden_says_how_the_kind_is_laid_out(kind: Kind) -> None:
    found = [read(path) for path in kind.goldens()]
    assert sorted({golden["layout"] for golden in found}) == list(range(1, kind.stored.newest + 1))
    same = [golden for golden in found if golden["layout"] == kind.stored.newest]
    assert now(kind) in [golden["laid_out"] for golden in same], (
        f"{kind.name}: {[wrong for golden in same for wrong in differences(golden['laid_out'], now(kind))]}; where "
        "that is empty a field was added, and python -m tests.services.layouts adds the golden"
    )


@each_golden
def test_nothing_of_this_layout_is_gone(kind: Kind, path: Path) -> None:
    golden = read(path)
    if golden["layout"] == kind.stored.newest:
        assert differences(golden["laid_out"], now(kind)) == [], "Decider.layouts leads to a new layout"


@each_golden
def test_a_golden_document_is_read_and_stored_again_the_same(kind: Kind, path: Path) -> None:
    """Of an earlier layout: nothing is lost on the way."""
    golden, stored = read(path), kind.stored
    body = stored.unpacked(golden["body"].encode())
    errands = [stored.errand(open) for open in body.errands]
    again = json.loads(JSON.encode(body))
    old = json.loads(golden["body"])
    if golden["layout"] == stored.newest:
        assert within(old, again) == old
        plain = [open.errand for open in body.errands]
        assert within(plain, msgspec.json.decode(msgspec.json.encode(errands))) == plain
        return
    dropped = DROPPED.get((kind.name, golden["layout"]), frozenset())
    lost = set(map(str, leaves(old[0]))) - set(map(str, leaves(again[0])))
    assert lost == set(dropped)


@each_kind
def test_the_goldens_of_a_kind_fill_every_field(kind: Kind) -> None:
    golden = next(g for g in map(read, kind.goldens()) if g["laid_out"] == now(kind))
    body = json.loads(golden["body"])
    state, errands = body[0], [open[4] for open in body[5]]
    assert all(type(value) is bool or value not in ("", 0, None) for value in leaves([state, *errands]))
    assert set(state) == set(golden["laid_out"]["structs"][kind.decider.state.__name__]["fields"])
    assert {errand["type"] for errand in errands} == set(golden["laid_out"]["errands"])


def within(old: Any, new: Any) -> Any:
    """What `new` says of the fields that `old` has; those that were added later are left out."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: within(value, new.get(key)) for key, value in old.items()}
    if isinstance(old, list) and isinstance(new, list):
        return [within(one, other) for one, other in zip(old, new, strict=False)]
    return new


def leaves(value: Any) -> Iterator[Any]:
    """Everything that is neither a list nor an object."""
    if isinstance(value, dict | list):
        if not value:
            yield None
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


# -- these checks can fail -------------------------------------------------------------------------------------------


@each_kind
def test_any_field_renamed_dropped_moved_or_retyped_would_be_noticed(kind: Kind) -> None:
    """Of every struct that is stored in this kind."""
    golden = read(kind.goldens()[0])["laid_out"]
    tried = 0
    for name, struct in golden["structs"].items():
        for field, type in struct.get("fields", {}).items():
            for changed in changes(struct["fields"], field, type, struct["by"]):
                new = copy.deepcopy(golden)
                new["structs"][name]["fields"] = changed
                assert differences(golden, new), f"{name}.{field}: {changed}"
                tried += 1
        for value in struct.get("values", ()):
            new = copy.deepcopy(golden)
            new["structs"][name]["values"].remove(value)
            assert differences(golden, new)
            tried += 1
    assert tried > 20


def changes(fields: dict[str, str], field: str, type: str, by: str) -> Iterator[dict[str, str]]:
    yield {(f"{name}_of_old" if name == field else name): t for name, t in fields.items()}
    yield {name: t for name, t in fields.items() if name != field}
    yield {**fields, field: f"{MAYBE}something else"}
    yield {**fields, "more": "str"}
    if type.startswith(MAYBE):
        yield {**fields, field: type.removeprefix(MAYBE)}
    if by == "place":
        yield {"more": f"{MAYBE}str", **fields}


class Slip(msgspec.Struct, frozen=True, array_like=True):
    code: str
    title: str = ""


class Before(State, frozen=True, kw_only=True):
    titel: str = ""
    count: str = ""
    slips: tuple[Slip, ...] = ()


class After(State, frozen=True, kw_only=True):
    title: str = ""
    count: int = 0
    slips: tuple[Slip, ...] = ()


def mended(plain: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in plain.items() if name != "titel"},
        "title": plain["titel"],
        "count": int(plain["count"]),
    }


def bodies(title: str = "标题") -> tuple[bytes, Stored[After]]:
    """What the version before has stored, and the version of now."""
    old = Stored(Decider("toy", Before), ())
    doc = old.blank("one")
    doc.state = Before(id="one", titel=title, count="7", slips=(Slip("a", "b"),))
    return old.packed(doc), Stored(Decider("toy", After, layouts=(mended,)), ())


def test_a_migration_reads_what_the_version_before_has_stored() -> None:
    body, stored = bodies()
    found = stored.unpacked(body)
    assert (found.state, found.layout) == (After(id="one", title="标题", count=7, slips=(Slip("a", "b"),)), 2)
    doc = stored.blank("one")
    doc.state = found.state
    assert stored.unpacked(stored.packed(doc)).state == found.state


def test_without_a_migration_the_change_is_named() -> None:
    """The count would fail at the first document, the title would be blank without a word."""
    was, is_now = layout(Body[Before], ()), layout(Body[After], ())
    was["structs"]["After"] = was["structs"].pop("Before")
    was["structs"]["Body"]["fields"]["state"] = "After"
    assert differences(was, is_now) == ["After: titel is gone", f"After: count was {MAYBE}str, is {MAYBE}int"]


def test_what_a_later_version_has_stored_is_not_read_as_something_else() -> None:
    """Two versions side by side, while a city puts the new one in: the old one waits and says why."""
    _, stored = bodies()
    doc = stored.blank("one")
    doc.state = After(id="one", title="标题")
    old = Stored(Decider("toy", Before), ())
    with pytest.raises(StoreDown, match="a later version has written layout 2 of toy, and this one knows 1"):
        old.unpacked(stored.packed(doc))


def test_what_is_of_no_layout_is_an_error() -> None:
    _, stored = bodies()
    with pytest.raises(msgspec.ValidationError):
        stored.unpacked(b'[{"id":"one","count":"seven"},{},0,0,[],[],true,0,2]')


def test_open_errands_survive_a_migration() -> None:
    old = Stored(Decider("toy", Before), ())
    doc = old.blank("one")
    doc.state = Before(id="one", titel="a", count="1")
    doc.errands = [Open("e", 1, True, 5.0, {"type": "Ping", "n": 3})]
    assert bodies()[1].unpacked(old.packed(doc)).errands == doc.errands
