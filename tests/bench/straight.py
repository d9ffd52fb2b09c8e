"""A straight loop: what a suite wrote, said, sealed and posted for some lifecycles, done again with nothing around it.

`python -m tests.bench.straight <models> <scratch> <port> <rounds>`, in a process of its own; this module must never use
the pipeline, a store or a bus.
"""

from __future__ import annotations

import hmac
import json
import re
import resource
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from chassis.document import Body
from chassis.run.suite import describe_services
from chassis.sealing import Keyring
from chassis.settings import ChassisSettings
from contracts.wire import decode, encode
from sandbox.processes import SERVICES
from tests.bench.cost import LIFECYCLES

SEALED = re.compile(rb"k1\.[A-Za-z0-9_-]{30,}")
POSTS = ((5, 700), (1, 1600))
"""Of one lifecycle: five text messages and one parcel, and about how many bytes each takes."""
HEAD = b"POST /post HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %b\r\nContent-Length: %d\r\n\r\n"
DOC = """
CREATE TABLE doc (key INTEGER PRIMARY KEY, kind TEXT, id TEXT, version INTEGER, ix TEXT, body BLOB);
CREATE UNIQUE INDEX doc_id ON doc (id, kind);
CREATE TABLE look (word TEXT, id TEXT, PRIMARY KEY (word, id)) WITHOUT ROWID;
CREATE TABLE line (key INTEGER PRIMARY KEY, doc TEXT, text TEXT);
"""
LOG = "CREATE TABLE log (seq INTEGER PRIMARY KEY, topic TEXT, key TEXT, headers BLOB, value BLOB)"


@dataclass
class Service:
    """One store: its documents (kind, id, writes, words, state), its lines, and how its states are coded."""

    name: str
    documents: list[tuple[str, str, int, list[str], bytes]]
    lines: list[tuple[str, str]]
    decoders: dict[str, msgspec.json.Decoder[Any]]
    db: sqlite3.Connection


@dataclass
class Work:
    services: list[Service]
    records: list[tuple[str, str, dict[str, str], bytes]]
    log: sqlite3.Connection
    sealed: list[str] = field(default_factory=list)


def rows(path: Path, sql: str) -> list[Any]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def create(path: Path, schema: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-8000", "wal_autocheckpoint=4000"):
        db.execute(f"PRAGMA {pragma}")
    db.executescript(schema)
    return db


def decoder(state: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(Body[state])


def load(models: Path, scratch: Path) -> Work:
    described = {s.name: s for s in describe_services(ChassisSettings(dir=models), {})}
    services, texts = [], []
    for name in SERVICES:
        deciders = described[name].deciders
        decoders = {d.kind: decoder(d.state) for d in deciders}
        found = rows(models / f"{name}.db", "SELECT kind, id, version, ix, body FROM doc")
        documents = [(k, i, v, json.loads(ix) if ix else [], body) for k, i, v, ix, body in found if k in decoders]
        lines = rows(models / f"{name}.db", "SELECT id, text FROM entry JOIN doc ON doc.key = entry.doc")
        texts += [body for *_, body in documents] + [text.encode() for _, text in lines]
        services.append(Service(name, documents, lines, decoders, create(scratch / f"{name}.db", DOC)))
    log = rows(models / "bus.db", "SELECT topic, key, headers, value FROM log ORDER BY seq")
    records = [(topic, key, json.loads(headers), value) for topic, key, headers, value in log]
    work = Work(services, records, create(scratch / "log.db", LOG))
    tokens = {token for text in texts for token in SEALED.findall(text)}
    work.sealed = ["x" * max(8, (len(token) - 3) * 3 // 4 - 28) for token in tokens]
    return work


def play(work: Work, turn: int, keyring: Keyring, posts: Iterator[None]) -> None:
    """The models' lifecycles once more, under ids of this turn. All documents get their first write, then all that had
    two their second, as a pipeline would that has them under way at once: a commit a store and stage."""
    encoder = msgspec.json.Encoder()
    states = {
        (s.name, kind, id): s.decoders[kind].decode(body) for s in work.services for kind, id, _, _, body in s.documents
    }
    stages = max(writes for s in work.services for _, _, writes, _, _ in s.documents if writes < 3 * LIFECYCLES)
    for text in work.sealed:
        keyring.open(keyring.seal(text, "straight"), "straight")
    for stage in range(stages):
        part = slice(stage * len(work.records) // stages, (stage + 1) * len(work.records) // stages)
        heard = [(topic, key, decode(headers, value)) for topic, key, headers, value in work.records[part]]
        said = [(topic, key, *encode(envelope)) for topic, key, envelope in heard]
        work.log.execute("BEGIN IMMEDIATE")
        work.log.executemany(
            "INSERT INTO log (topic, key, headers, value) VALUES (?, ?, ?, ?)",
            [(topic, key, encoder.encode(headers), value) for topic, key, headers, value in said],
        )
        work.log.execute("COMMIT")
        for s in work.services:
            write(s, turn, stage, stages, states, encoder)
        for _ in range(LIFECYCLES * sum(n for n, _ in POSTS) // stages):
            next(posts)


def write(s: Service, turn: int, stage: int, stages: int, states: Any, encoder: msgspec.json.Encoder) -> None:
    due = [d for d in s.documents if d[2] > stage]
    if not due:
        return
    s.db.execute("BEGIN IMMEDIATE")
    bodies = [(encoder.encode(states[s.name, kind, id]), f"{turn}-{id}", kind) for kind, id, *_ in due]
    if stage == 0:
        s.db.executemany("INSERT INTO doc (body, id, kind, version) VALUES (?, ?, ?, 1)", bodies)
        words = [(f"{word}-{turn}", f"{turn}-{id}") for _, id, _, words, _ in due for word in words]
        s.db.executemany("INSERT OR IGNORE INTO look VALUES (?, ?)", words)
    else:
        s.db.executemany("UPDATE doc SET body=?, version=version+1 WHERE id=? AND kind=?", bodies)
    lines = s.lines[stage * len(s.lines) // stages : (stage + 1) * len(s.lines) // stages]
    s.db.executemany("INSERT INTO line (doc, text) VALUES (?, ?)", [(f"{turn}-{id}", text) for id, text in lines])
    s.db.execute("COMMIT")


def posting(port: int) -> Iterator[None]:
    """Signed posts over one kept connection, the next one each time it is asked."""
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            for count, size in POSTS:
                for _ in range(count):
                    body = b"x" * size
                    sign = hmac.digest(b"key", body, "sha256").hex().encode()
                    wire.sendall(HEAD % (sign, size) + body)
                    wire.recv(4096)
                    yield


def main() -> int:
    models, scratch, port, turns = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    work, keyring, posts = load(models, scratch), Keyring.generate(), posting(port)
    play(work, 0, keyring, posts)
    before, began = spent(), time.perf_counter()
    for turn in range(1, turns + 1):
        play(work, turn, keyring, posts)
    count = turns * LIFECYCLES
    writes = sum(d[2] for s in work.services for d in s.documents) / LIFECYCLES
    print(
        json.dumps(
            {
                "cpu_ms": (spent() - before) / count * 1e3,
                "per_s": count / (time.perf_counter() - began),
                "writes": round(writes, 1),
                "records": round(len(work.records) / LIFECYCLES, 1),
                "lines": round(sum(len(s.lines) for s in work.services) / LIFECYCLES, 1),
                "seals": round(len(work.sealed) / LIFECYCLES, 1),
                "posts": sum(n for n, _ in POSTS),
            }
        )
    )
    return 0


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
