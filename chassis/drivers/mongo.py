"""The store on the MongoDB wire protocol, through motor or PyMongo's own asyncio client.

The only module that imports motor or pymongo; it must never import a bus, HTTP or a service.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from pymongo import ASCENDING, InsertOne, ReplaceOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from chassis.settings import ChassisSettings, SettingsError, plain
from chassis.store import Owner, Ref, Row, StoreDown

log = logging.getLogger("tongban")

DUPLICATE = 11000
SEPARATOR = "|"
CALM = 60.0
"""Seconds after which a published outbox is cleared away. What is written again sooner needs no write for that."""
CLEARED = 200
"""Batches whose outboxes one beat clears away at most, so that none takes long."""
PACE = 0.2
"""Seconds between two beats that clear away: beside others a process beats as often as the bus acknowledges."""


def access(settings: ChassisSettings) -> dict[str, Any]:
    """How MongoDB lets us in: login and TLS as options of a client. Raises SettingsError for what does not go
    together."""
    options: dict[str, Any] = {}
    if bool(settings.mongo_user) != bool(settings.mongo_password):
        raise SettingsError("TONGBAN_MONGO_USER and TONGBAN_MONGO_PASSWORD are not both set; a login needs them.")
    if settings.mongo_user:
        options |= {"username": settings.mongo_user, "password": settings.mongo_password}
        options["authSource"] = settings.mongo_auth_source
    if settings.mongo_tls:
        files = {"tlsCAFile": settings.mongo_ca, "tlsCertificateKeyFile": settings.mongo_cert}
        options |= {"tls": True, **{name: str(path) for name, path in files.items() if path is not None}}
        if settings.mongo_key_password:
            options["tlsCertificateKeyFilePassword"] = settings.mongo_key_password
    elif settings.mongo_ca or settings.mongo_cert:
        raise SettingsError("TONGBAN_MONGO_TLS is not set; it must be true where certificates are given.")
    return options


def client(url: str, driver: str, access: Mapping[str, Any]) -> Any:
    """A client of the chosen driver. Motor is past its end of life (critical fixes to May 2027), so both are tested."""
    options: dict[str, Any] = {"serverSelectionTimeoutMS": 5000, "retryWrites": False, "maxPoolSize": 8, **access}
    if driver == "motor":
        from motor.motor_asyncio import AsyncIOMotorClient

        return AsyncIOMotorClient(url, **options)
    if driver == "pymongo":
        from pymongo import AsyncMongoClient

        return AsyncMongoClient(url, **options)
    raise SettingsError("TONGBAN_MONGO_DRIVER: expected motor or pymongo")


@contextlib.asynccontextmanager
async def asking(url: str, driver: str, access: Mapping[str, Any]) -> AsyncIterator[Any]:
    """A client for a question or two. Raises StoreDown."""
    asked = client(url, driver, access)
    try:
        yield asked
    except PyMongoError as error:
        raise StoreDown(type(error).__name__) from None
    finally:
        await closed(asked)


async def closed(client: Any) -> None:
    """Closes a client of either driver."""
    ended = client.close()
    if inspect.isawaitable(ended):
        await ended


async def ping(url: str, driver: str, access: Mapping[str, Any]) -> None:
    """Returns when a server answers. Raises StoreDown."""
    async with asking(url, driver, access) as asked:
        await asked.admin.command("ping")


async def containing(url: str, database: str, driver: str, access: Mapping[str, Any], marks: Collection[bytes]) -> int:
    """How many documents of a database hold any of these bytes. Raises StoreDown."""
    count = 0
    async with asking(url, driver, access) as asked:
        async for doc in asked[database]["doc"].find({}, {"body": 1, "outbox": 1, "_id": 0}):
            held = bytes(doc.get("body") or b"") + bytes(doc.get("outbox") or b"")
            count += any(mark in held for mark in marks)
    return count


class MongoStore:
    """One database per service. Appended lines ride in their document until they stand in the `line` collection, since
    two collections cannot be written in one go: whoever loads the document puts them there before it writes again."""

    shared = True

    def __init__(self, url: str, database: str, driver: str = "motor", access: Mapping[str, Any] | None = None) -> None:
        self.url, self.database, self.driver, self.access = url, database, driver, access or {}
        self.name = f"MongoDB {plain(url)}"
        self._client: Any = None
        self._marks: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._cleared: dict[str, int] = {}

    async def open(self) -> None:
        if self._client is not None:
            return
        self._client = client(self.url, self.driver, self.access)
        durable = WriteConcern(w="majority", j=True)
        base = self._client[self.database]
        self._doc = base.get_collection("doc", write_concern=durable)
        self._line = base.get_collection("line", write_concern=durable)
        self._owner = base.get_collection("owner", write_concern=durable)
        try:
            # Unique although `_id` is: the replaces' own filter then is an index of its own on every server.
            await self._doc.create_index([("_id", ASCENDING), ("v", ASCENDING)], unique=True, name="version")
            await self._doc.create_index([("due", ASCENDING)], name="due", sparse=True)
            await self._doc.create_index([("lease", ASCENDING)], name="lease", sparse=True)
            await self._doc.create_index([("owner", ASCENDING), ("batch", ASCENDING)], name="stamp")
            await self._doc.create_index([("ix", ASCENDING), ("ord", ASCENDING), ("_id", ASCENDING)], name="look")
            await self._line.create_index([("doc", ASCENDING), ("n", ASCENDING)], name="line")
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None

    async def close(self) -> None:
        if self._client is not None:
            await closed(self._client)
            self._client = None

    async def check(self) -> None:
        """Nothing of it lies here: beats, written more often, go to the server."""

    async def load(self, refs: Collection[Ref]) -> dict[Ref, Row]:
        found = await self._docs({"_id": {"$in": [_id(kind, id) for kind, id in refs]}}, len(refs))
        left = [doc for doc in found if doc["lines"]]
        if left:
            await self._settle(left)
        return {(doc["kind"], doc["id"]): _row(doc) for doc in found}

    async def write(self, rows: Sequence[Row], compare: Mapping[Ref, int] = {}) -> set[Ref]:
        losers: set[Ref] = await self._put_rows(rows) if rows else set()
        return losers | await self._moved(compare) if compare else losers

    async def _moved(self, compare: Mapping[Ref, int]) -> set[Ref]:
        """Which of these documents stand at another version."""
        ids = [_id(kind, id) for kind, id in compare]
        try:
            found = await self._doc.find({"_id": {"$in": ids}}, {"v": 1}).to_list(len(ids))
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None
        versions = {doc["_id"]: doc["v"] for doc in found}
        return {ref for ref, version in compare.items() if versions.get(_id(*ref), 0) != version}

    async def _put_rows(self, rows: Sequence[Row]) -> set[Ref]:
        docs = [_doc(row) for row in rows]
        new = [InsertOne(doc) for doc in docs if doc["v"] == 1]
        old = [ReplaceOne({"_id": doc["_id"], "v": doc["v"] - 1}, doc) for doc in docs if doc["v"] > 1]
        short = False
        try:
            if new:
                short = not await self._bulk(new)
            if old:
                short = not await self._bulk(old) or short
            losers = await self._losers(docs) if short else set()
            lined = [doc for doc in docs if doc["lines"] and (doc["kind"], doc["id"]) not in losers]
            if lined:
                await self._settle(lined)
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None
        return losers

    async def _bulk(self, operations: list[Any]) -> bool:
        """Whether all took effect. A conflict on one never stops the others; which they are is read back, since counts
        beside errors cannot be trusted on every server."""
        try:
            result = await self._doc.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            if any(e["code"] != DUPLICATE for e in error.details["writeErrors"]):
                raise
            return False
        return bool(result.inserted_count + result.matched_count == len(operations))

    async def _losers(self, docs: list[dict[str, Any]]) -> set[Ref]:
        """Read back which carry my stamp; the others were somebody else's."""
        ids = [doc["_id"] for doc in docs]
        fields = {"v": 1, "owner": 1, "batch": 1}
        now = {d["_id"]: d for d in await self._doc.find({"_id": {"$in": ids}}, fields).to_list(len(ids))}

        def mine(doc: dict[str, Any]) -> bool:
            there = now.get(doc["_id"])
            return there is not None and all(there[f] == doc[f] for f in fields)

        return {(doc["kind"], doc["id"]) for doc in docs if not mine(doc)}

    async def _settle(self, docs: list[dict[str, Any]]) -> None:
        """Puts lines that ride in documents where lines are kept; doing it twice changes nothing."""
        lines = [
            {"_id": f"{doc['_id']}{SEPARATOR}{doc['line'] + i}", "doc": doc["_id"], "n": doc["line"] + i, "text": text}
            for doc in docs
            for i, text in enumerate(doc["lines"])
        ]
        try:
            await self._line.insert_many(lines, ordered=False)
        except BulkWriteError as error:
            if any(e["code"] != DUPLICATE for e in error.details["writeErrors"]):
                raise

    async def beat(self, owner: str, acked: int, now: float) -> None:
        try:
            await self._owner.replace_one({"_id": owner}, {"_id": owner, "acked": acked, "beat": now}, upsert=True)
            await self._clear_calm(owner, acked, now)
        except DuplicateKeyError:
            return
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None

    async def _clear_calm(self, owner: str, acked: int, now: float) -> None:
        """Clears away, some at a time, the outboxes of documents that nobody has written since a minute ago."""
        marks = self._marks[owner]
        if marks and now - marks[-1][0] < PACE:
            return
        marks.append((now, acked))
        while marks[0][0] < now - CALM and marks[1][0] <= now - CALM:
            marks.popleft()
        done = self._cleared.setdefault(owner, 0)
        upto = min(marks[0][1], done + CLEARED) if marks[0][0] <= now - CALM else done
        if upto > done:
            await self._clear({"owner": owner, "batch": {"$gt": done, "$lte": upto}})
            self._cleared[owner] = upto

    async def _clear(self, query: dict[str, Any]) -> None:
        await self._doc.update_many({**query, "outbox": {"$exists": True}}, {"$unset": {"outbox": ""}})

    async def owners(self, names: Collection[str] | None = None) -> dict[str, Owner]:
        query = {} if names is None else {"_id": {"$in": list(names)}}
        try:
            found = await self._owner.find(query).to_list(10_000)
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None
        return {doc["_id"]: Owner(doc["acked"], doc["beat"]) for doc in found}

    async def forget(self, names: Collection[str]) -> None:
        known = await self.owners(names) if names else {}
        for name, owner in known.items():
            unsaid = {"owner": name, "batch": {"$gt": owner.acked}}
            left = [await self._refs(query, None, 1) for query in (unsaid, {"lease": {"$gt": 0}, "owner": name})]
            if not any(left):
                try:
                    await self._clear({"owner": name})
                    await self._owner.delete_one({"_id": name})
                except PyMongoError as error:
                    raise StoreDown(type(error).__name__) from None

    async def stamped(self, shards: Collection[int], owners: Collection[str], most: int) -> list[Ref]:
        """What an owner that has nothing unpublished left to be cleared away is cleared away."""
        refs: list[Ref] = []
        for name, owner in (await self.owners(owners)).items():
            query = {"owner": name, "batch": {"$gt": owner.acked}}
            found = await self._refs({**query, "shard": {"$in": list(shards)}}, None, most - len(refs))
            refs += found
            if not found and not await self._refs(query, None, 1):
                try:
                    await self._clear({"owner": name})
                except PyMongoError as error:
                    raise StoreDown(type(error).__name__) from None
            if len(refs) >= most:
                break
        return refs

    async def due(self, shards: Collection[int], now: float, most: int) -> list[Ref]:
        return await self._refs({"due": {"$lte": now}, "shard": {"$in": list(shards)}}, "due", most)

    async def next_due(self) -> float | None:
        found = await self._docs({"due": {"$gt": 0}}, 1, [("due", ASCENDING)])
        return found[0]["due"] if found else None

    async def leased(
        self, shards: Collection[int], now: float, most: int, shifts: Mapping[str, float] | None = None
    ) -> list[Ref]:
        among: dict[str, Any] = {"lease": {"$lte": now}}
        if shifts:
            theirs = [{"owner": name, "lease": {"$lte": now - shift}} for name, shift in shifts.items()]
            among = {"$or": [*theirs, {"owner": {"$nin": list(shifts)}, **among}]}
        return await self._refs({**among, "shard": {"$in": list(shards)}}, "lease", most)

    async def find(self, kind: str, lookup: str, after: tuple[str, str] | None, most: int) -> list[Row]:
        query: dict[str, Any] = {"ix": f"{kind}{SEPARATOR}{lookup}"}
        if after is not None:
            order, id = after
            query["$or"] = [{"ord": {"$gt": order}}, {"ord": order, "_id": {"$gt": _id(kind, id)}}]
        return [_row(doc) for doc in await self._docs(query, most, [("ord", ASCENDING), ("_id", ASCENDING)])]

    async def lines(self, kind: str, id: str, first: int, most: int) -> list[str]:
        await self.load([(kind, id)])  # what still rides in the document is settled by loading it
        query = {"doc": _id(kind, id), "n": {"$gte": first}}
        try:
            found = await self._line.find(query).sort("n", ASCENDING).limit(most).to_list(most)
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None
        return [doc["text"] for doc in found]

    async def count(self) -> Mapping[str, int]:
        try:
            kinds = await self._doc.distinct("kind")
            return {kind: await self._doc.count_documents({"kind": kind}) for kind in kinds}
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None

    async def _docs(self, query: dict[str, Any], most: int, order: Any = None) -> list[dict[str, Any]]:
        cursor = self._doc.find(query)
        if order is not None:
            cursor = cursor.sort(order)
        try:
            found: list[dict[str, Any]] = await cursor.limit(most).to_list(most)
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None
        return found

    async def _refs(self, query: dict[str, Any], order: str | None, most: int) -> list[Ref]:
        cursor = self._doc.find(query, {"kind": 1, "id": 1})
        if order is not None:
            cursor = cursor.sort(order, ASCENDING)
        try:
            found = await cursor.limit(most).to_list(most)
        except PyMongoError as error:
            raise StoreDown(type(error).__name__) from None
        return [(doc["kind"], doc["id"]) for doc in found]


def _id(kind: str, id: str) -> str:
    return f"{kind}{SEPARATOR}{id}"


def _doc(row: Row) -> dict[str, Any]:
    """A row as stored; absent `due` and `lease` are left out, so that the sparse indexes stay small."""
    doc: dict[str, Any] = {
        "_id": _id(row.kind, row.id),
        "kind": row.kind,
        "id": row.id,
        "v": row.version,
        "shard": row.shard,
        "owner": row.owner,
        "batch": row.batch,
        "ix": [f"{row.kind}{SEPARATOR}{word}" for word in row.ix],
        "ord": row.order,
        "body": row.body,
        "line": row.line,
        "lines": list(row.lines),
    }
    if row.outbox:
        doc["outbox"] = row.outbox
    if row.due is not None:
        doc["due"] = row.due
    if row.lease is not None:
        doc["lease"] = row.lease
    return doc


def _row(doc: dict[str, Any]) -> Row:
    return Row(
        kind=doc["kind"],
        id=doc["id"],
        version=doc["v"],
        shard=doc["shard"],
        body=bytes(doc["body"]),
        owner=doc["owner"],
        batch=doc["batch"],
        due=doc.get("due"),
        lease=doc.get("lease"),
        ix=tuple(word.partition(SEPARATOR)[2] for word in doc["ix"]),
        order=doc["ord"],
        line=doc["line"],
        outbox=bytes(doc.get("outbox", b"")),
    )
