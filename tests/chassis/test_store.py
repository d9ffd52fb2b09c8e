"""What every store promises: compare-and-swap, look-ups in order, stamps, alarms, leases, lines. One suite, all stores.

It must never ask which store it runs on.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chassis.clock import Clock
from chassis.store import Ref, Row, Store
from tests.chassis.conftest import MakeStore
from tests.chassis.records import ALL, row

pytestmark = pytest.mark.anyio


async def test_what_is_written_is_loaded(store: Store) -> None:
    written = row(due=5.5, lease=6.5, ix=("number:1", "phone:x"), order="2026-01-01", body=b"\x00\xff{}")
    assert await store.write([written]) == set()
    loaded = await store.load([("case", "a"), ("case", "none"), ("other", "a")])
    assert list(loaded) == [("case", "a")]
    assert replace(loaded["case", "a"], line=0) == written


async def test_a_version_is_written_once(store: Store) -> None:
    assert await store.write([row()]) == set()
    assert await store.write([row(owner="other")]) == {("case", "a")}, "founded twice"
    assert await store.write([row(version=2)]) == set()
    assert await store.write([row(version=2, owner="other", body=b"late")]) == {("case", "a")}
    assert await store.write([row(version=4)]) == {("case", "a")}, "a gap"
    assert (await store.load([("case", "a")]))["case", "a"].body == b"a2"


async def test_a_conflict_on_one_does_not_fail_the_others(store: Store) -> None:
    await store.write([row("a"), row("b")])
    losers = await store.write([row("a", 2), row("b", 3), row("c"), row("a2", 2)])
    assert losers == {("case", "b"), ("case", "a2")}
    found = await store.load([("case", id) for id in ("a", "b", "c", "a2")])
    assert {id: r.version for (_, id), r in found.items()} == {"a": 2, "b": 1, "c": 1}


async def test_of_many_writers_exactly_one_wins_each_version(make_store: MakeStore, store: Store) -> None:
    """Random interleavings of stores that know nothing of one another; the seed is in the message."""
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    stores = [store, make_store(), make_store()]
    for other in stores[1:]:
        await other.open()
    wins: list[int] = []

    async def writer(index: int) -> None:
        for _ in range(12):
            known = await stores[index].load([("case", "hot")])
            version = known["case", "hot"].version + 1 if known else 1
            if rng.random() < 0.5:
                await Clock().sleep(0)  # gives the others a turn
            mine = row("hot", version, owner=f"w{index}", batch=len(wins) + 1)
            if not await stores[index].write([mine, row(f"own{index}-{len(wins)}-{version}")]) & {("case", "hot")}:
                wins.append(version)

    await asyncio.gather(*(writer(i) for i in range(3)))
    final = (await store.load([("case", "hot")]))["case", "hot"].version
    assert sorted(wins) == list(range(1, final + 1)), f"seed {seed}"


async def test_look_ups_are_pages_in_order_and_complete(store: Store) -> None:
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    orders = [f"{rng.randrange(4)}" for _ in range(40)]
    rows = [row(f"d{i:02}", ix=("work:mz|handler",), order=order) for i, order in enumerate(orders)]
    await store.write(rows)
    await store.write([row("other", ix=("work:sj|handler",), order="0")])
    await store.write([Row("note", "x", 1, 1, b"", "me", 1, ix=("work:mz|handler",), order="0")])
    seen: list[tuple[str, str]] = []
    after = None
    while page := await store.find("case", "work:mz|handler", after, 7):
        seen += [(r.order, r.id) for r in page]
        after = seen[-1]
    assert seen == sorted((r.order, r.id) for r in rows), f"seed {seed}"


async def test_a_look_up_follows_its_document(store: Store) -> None:
    await store.write([row(ix=("number:1", "phone:x"), order="b")])
    await store.write([row(version=2, ix=("phone:x",), order="a")])
    assert await store.find("case", "number:1", None, 5) == []
    assert [r.order for r in await store.find("case", "phone:x", None, 5)] == ["a"]
    assert await store.find("case", "phone:", None, 5) == [], "exact words only"


async def test_a_look_up_follows_what_another_process_wrote(make_store: MakeStore, store: Store) -> None:
    other = make_store()
    await other.open()
    await store.write([row(ix=("w:1",))])
    await other.load([("case", "a")])
    await other.write([row(version=2, ix=("w:2",))])
    await store.load([("case", "a")])
    await store.write([row(version=3, ix=("w:3",))])
    for word, count in (("w:1", 0), ("w:2", 0), ("w:3", 1)):
        assert len(await store.find("case", word, None, 5)) == count


async def test_alarms_and_leases_are_found_by_shard_earliest_first(store: Store) -> None:
    await store.write(
        [row(f"d{i}", shard=i % 4, due=float(10 - i), lease=float(i)) for i in range(8)] + [row("calm", shard=0)]
    )
    assert [id for _, id in await store.due([0, 1, 2, 3], 5.0, 50)] == ["d7", "d6", "d5"]
    assert [id for _, id in await store.due([1], 100.0, 50)] == ["d5", "d1"]
    assert len(await store.due(ALL, 100.0, 3)) == 3
    assert [id for _, id in await store.leased([0, 2], 4.0, 50)] == ["d0", "d2", "d4"]
    apart = [row(f"{who}{at}", owner=who, lease=float(at)) for who in ("ahead", "behind") for at in (1, 92)]
    await store.write(apart)
    shifts = {"ahead": -90.0, "behind": 90.0}
    ended = {id for _, id in await store.leased(ALL, 4.0, 50, shifts)}
    assert ended == {*(f"d{i}" for i in range(5)), "ahead1", "ahead92"}
    assert await store.next_due() == 3.0
    await store.write([row("d7", 2, shard=3)])
    assert [id for _, id in await store.due(ALL, 4.0, 50)] == ["d6"]


async def test_what_the_dead_left_unpublished_is_found(store: Store) -> None:
    await store.write([row(f"d{i}", owner="dead", batch=i, shard=i % 2) for i in range(6)])
    await store.write([row("mine", owner="me", batch=9)])
    await store.beat("dead", 3, 1000.0)
    assert await store.stamped(ALL, [], 50) == [], "all live"
    assert {id for _, id in await store.stamped(ALL, ["dead", "me"], 50)} == {"d4", "d5", "mine"}
    assert {id for _, id in await store.stamped([0], ["dead", "me"], 50)} == {"d4"}
    await store.beat("me", 9, 2000.0)
    assert {id for _, id in await store.stamped(ALL, ["dead", "me", "unknown"], 1)} <= {"d4", "d5"}
    await store.write([row("d4", 2, owner="me", batch=9), row("d5", 2, owner="me", batch=9)])
    assert await store.stamped(ALL, ["dead", "me"], 50) == []
    assert await store.owners(["dead", "me", "stranger"]) == {"dead": (3, 1000.0), "me": (9, 2000.0)}
    assert await store.owners() == await store.owners(["dead", "me"])


async def test_what_is_not_written_is_compared(make_store: MakeStore, store: Store) -> None:
    other = make_store()
    await other.open()
    await store.write([row("a"), row("b"), row("c")])
    a, b, c, none = (("case", id) for id in ("a", "b", "c", "none"))
    assert await store.write([], {a: 1, b: 1, none: 0}) == set()
    await other.write([row("a", 2), row("none")])
    assert await store.write([row("c", 2)], {a: 1, b: 1, none: 0}) == {a, none}, "and the row is written all the same"
    assert await store.write([row("c", 2, owner="late"), row("d")], {a: 2, b: 2}) == {c, b}
    assert set(await store.load([c, ("case", "d")])) == {c, ("case", "d")}
    many = {("case", f"x{i}"): 0 for i in range(450)}
    assert await store.write([], {**many, b: 1, ("other", "a"): 0}) == set()


async def test_owners_that_left_nothing_are_forgotten_and_what_they_wrote_stays(store: Store) -> None:
    names = ["said", "unsaid", "leased", "alive"]
    for name in names:
        await store.beat(name, 5, 1000.0)
    await store.write([row("a", owner="said", batch=5, outbox=b"a"), row("b", owner="unsaid", batch=6, outbox=b"b")])
    await store.write([row("c", owner="leased", lease=1000.0), row("d", owner="said")])
    await store.beat("said", 5, 1001.0)
    await store.forget([])
    assert sorted(await store.owners()) == sorted(["me", *names])
    await store.forget(names[:3])
    assert sorted(await store.owners()) == ["alive", "leased", "me", "unsaid"]
    assert await store.stamped(ALL, names, 9) == [("case", "b")]
    assert await store.leased(ALL, 2000.0, 9, {"said": -9.0, "leased": 0.0}) == [("case", "c")]
    found = await store.load([("case", id) for id in "abcd"])
    assert {id: r.outbox for (_, id), r in found.items()} == {"a": b"", "b": b"b", "c": b"", "d": b""}
    assert not {r.owner for r in found.values()} & {"me", "alive"}, "nobody else's"
    await store.beat("new", 0, 1002.0)
    await store.write([row("e", owner="new"), row("a", 2, owner="new"), row("c", 2, owner="new")])
    assert {r.owner for r in (await store.load([("case", id) for id in "ace"])).values()} == {"new"}
    assert (await store.load([("case", "d")]))["case", "d"].owner != "new"
    await store.forget(["leased"])
    assert sorted(await store.owners()) == ["alive", "me", "new", "unsaid"]
    await store.beat("said", 7, 1003.0)
    assert (await store.owners(["said"]))["said"].acked == 7, "it was only asleep"


async def test_the_newest_owner_is_never_taken_for_another(store: Store, make_store: MakeStore) -> None:
    """Its documents would seem to be those of whoever starts next."""
    await store.beat("newest", 3, 1000.0)
    await store.write([row("a", owner="newest", batch=0)])
    await store.forget(["newest"])
    other = make_store()
    await other.open()
    await other.beat("next", 0, 1001.0)
    assert (await other.load([("case", "a")]))["case", "a"].owner != "next"


async def test_an_outbox_is_kept_until_it_is_acknowledged_and_dropped_soon_after(store: Store) -> None:
    async def outboxes() -> dict[str, bytes]:
        return {id: r.outbox for (_, id), r in (await store.load([("case", id) for id in "abc"])).items()}

    await store.write([row("a", batch=5, outbox=b"\x00a"), row("b", batch=6, outbox=b"b")])
    await store.write([row("c", owner="dead", batch=1, outbox=b"c")])
    await store.beat("me", 4, 1000.0)
    assert await outboxes() == {"a": b"\x00a", "b": b"b", "c": b"c"}
    for now in (1001.0, 1062.0):
        await store.beat("me", 5, now)
    assert await outboxes() == {"a": b"", "b": b"b", "c": b"c"}
    assert (await store.load([("case", "a")]))["case", "a"].body == b"a1"
    await store.write([row("b", 2, batch=7, outbox=b"b more"), row("a", 2, batch=0)])
    assert await outboxes() == {"a": b"", "b": b"b more", "c": b"c"}
    await store.beat("dead", 1, 1063.0)
    assert await store.stamped(ALL, ["me", "dead"], 9) == [("case", "b")]
    assert await outboxes() == {"a": b"", "b": b"b more", "c": b""}, "what the dead left is dropped, too"


async def test_lines_are_durable_if_and_only_if_their_row_is(make_store: MakeStore, store: Store) -> None:
    await store.write([row(lines=("one", "two"))])
    await store.write([row(version=1, owner="other", line=0, lines=("never",))])
    await store.write([row(version=2, line=2, lines=("three",))])
    await store.write([row(version=3, line=3)])
    other = make_store()
    await other.open()
    for each in (store, other):
        assert await each.lines("case", "a", 0, 50) == ["one", "two", "three"]
        assert await each.lines("case", "a", 1, 1) == ["two"]
        assert await each.lines("case", "none", 0, 50) == []


async def test_documents_are_counted_by_kind(store: Store) -> None:
    await store.write([row("a"), row("b"), Row("note", "a", 1, 1, b"", "me", 1)])
    assert dict(await store.count()) == {"case": 2, "note": 1}


async def test_a_large_batch_is_one_write(store: Store) -> None:
    rows = [row(f"id-{i}", body=b"x" * 1500, ix=(f"n:{i}",)) for i in range(600)]
    assert await store.write(rows) == set()
    assert len(await store.load([(r.kind, r.id) for r in rows])) == 600
    assert await store.write([replace(r, version=2) for r in rows]) == set()


# -- laws ------------------------------------------------------------------------------------------------------------

WORDS = st.sets(st.sampled_from(["w:1", "w:2", "w:\x1f", "", "号:乙"]), max_size=3)
TIMES = st.none() | st.sampled_from([1.0, 2.0, 3.0])
CHANGE = st.fixed_dictionaries(
    {
        "step": st.sampled_from([1, 1, 1, 0, 2]),
        "ix": WORDS.map(sorted).map(tuple),
        "order": st.sampled_from(["", "a", "b"]),
        "due": TIMES,
        "lease": TIMES,
        "lines": st.lists(st.sampled_from(["one", "two"]), max_size=2).map(tuple),
    }
)
BATCH = st.tuples(st.integers(0, 1), st.dictionaries(st.sampled_from("abc"), CHANGE, min_size=1))
KINDS = itertools.count()


@given(st.lists(BATCH, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_history_of_writers_leaves_what_the_winners_wrote(
    make_store: MakeStore, store: Store, history: list[tuple[int, dict[str, dict[str, Any]]]]
) -> None:
    """Two writers that know nothing of one another, against a dictionary; a third store reads it back."""
    kind = f"k{next(KINDS)}"
    writers = [store, make_store()]
    await writers[1].open()
    model: dict[str, Row] = {}
    lines: dict[str, list[str]] = {id: [] for id in "abc"}
    for batch, (writer, changes) in enumerate(history, 1):
        rows: list[Row] = []
        expected: set[Ref] = set()
        for id, change in changes.items():
            version = (model[id].version if id in model else 0) + change["step"]
            if version < 1:
                continue
            more = {key: value for key, value in change.items() if key != "step"}
            new = Row(kind, id, version, 1, f"{id}{batch}".encode(), "me", batch, line=len(lines[id]))
            rows.append(replace(new, **more))
            if change["step"] == 1:
                model[id] = rows[-1]
                lines[id] += rows[-1].lines
            else:
                expected.add((kind, id))
        assert await writers[writer].write(rows) == expected
    reader = make_store()
    await reader.open()
    kept = {id: replace(row, line=0, lines=()) for id, row in model.items()}
    loaded = await reader.load([(kind, id) for id in "abc"])
    assert {id: replace(row, line=0) for (_, id), row in loaded.items()} == kept
    for id in "abc":
        assert await reader.lines(kind, id, 0, 99) == lines[id]
    for word in ("w:1", "w:2", "w:\x1f", "", "号:乙"):
        found = [row.id for row in await reader.find(kind, word, None, 99)]
        assert found == [i for _, i in sorted((r.order, i) for i, r in kept.items() if word in r.ix)]
    for look, name in ((reader.due, "due"), (reader.leased, "lease")):
        found = [id for k, id in await look(ALL, 2.0, 999) if k == kind]
        want = {id: getattr(row, name) for id, row in kept.items() if (getattr(row, name) or 9.0) <= 2.0}
        assert sorted(found) == sorted(want)
        assert [want[id] for id in found] == sorted(want.values())
    # Leaves nothing that rings, so that the next history starts clean.
    await store.write([replace(r, version=r.version + 1, due=None, lease=None) for r in kept.values()])
    await reader.close()
    await writers[1].close()
