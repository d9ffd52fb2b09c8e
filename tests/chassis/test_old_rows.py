"""Promise: a store that an earlier version has left is read, and what was unpublished in it is said.

`golden/store_1.sql` was dumped from a file of the version that kept outboxes in the body; it is never edited.
"""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from chassis.decision import Reject
from chassis.document import Doc
from chassis.drivers.sqlite import SqliteStore
from chassis.heart.fold import Fold
from chassis.heart.message import TOUCH, Message
from contracts.event import SHANGHAI
from tests.chassis.toy import Bump, Ping, Placed, Toy, deciders

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=SHANGHAI)
SYSTEM, ALL = 1005.0, range(4)
GOLDEN = Path(__file__).parent / "golden" / "store_1.sql"


@pytest.fixture
async def store(tmp_path: Path) -> SqliteStore:
    with contextlib.closing(sqlite3.connect(tmp_path / "toy.db")) as db:
        db.executescript(GOLDEN.read_text("utf-8"))
    made = SqliteStore(tmp_path / "toy.db")
    await made.open()
    return made


def fold() -> Fold[Toy]:
    return Fold("toy", deciders()[0], [Ping], partitions=4, lease=10.0)


async def load(store: SqliteStore, id: str) -> Doc[Toy]:
    row = (await store.load([("toy", id)]))["toy", id]
    return fold().load(row, (await store.owners([row.owner]))[row.owner].acked)


async def test_documents_are_read_and_their_messages_are_known(store: SqliteStore) -> None:
    f, doc = fold(), await load(store, "unpublished")
    assert (doc.version, doc.state.total, doc.lines, len(doc.errands)) == (2, 12, 1, 2)
    event = Message("e3", Placed(at=NOW, case=doc.id, n=3))
    command = Message("a-key", Bump(by_how_much=7), digest="d1")
    other = Message("a-key", Bump(by_how_much=8), digest="d2")
    folded = f.fold(doc, [event, command, other], NOW, SYSTEM)
    assert folded.fresh == [False, False, False]
    assert isinstance(folded.results[2], Reject)
    assert folded.results[2].rule == "idempotency_key_reused"
    assert await store.lines("toy", doc.id, 0, 9) == ["bumped 7"]
    assert [row.id for row in await store.find("toy", "total:12", None, 9)] == ["unpublished"]
    await store.close()


async def test_what_was_unpublished_is_found_said_and_then_gone(store: SqliteStore) -> None:
    f, published, doc = fold(), await load(store, "published"), await load(store, "unpublished")
    assert (published.carry, published.outbox) == (False, [])
    dead = await store.owners()
    assert await store.stamped(ALL, dead, 9) == [("toy", "unpublished")]
    assert [(out.headers["ce_sequence"], out.value[:1]) for out in doc.outbox] == [("1", b"{"), ("2", b"{")]
    folded = f.fold(doc, [Message("t", TOUCH)], NOW, SYSTEM)
    row = f.row(folded, "later", 1)
    await store.beat("later", 0, SYSTEM)
    assert await store.write([row]) == set()
    assert await store.stamped(ALL, dead, 9) == []
    assert (await load(store, "unpublished")).outbox == doc.outbox
    await store.beat("later", 1, SYSTEM)
    assert (await store.load([("toy", "unpublished")]))["toy", "unpublished"].outbox == b""
    assert doc.outbox[0].headers["ce_id"].encode() not in row.body
    await store.close()
    again = SqliteStore(store.path)
    await again.open()
    assert (await load(again, "unpublished")).state == doc.state
    await again.close()
