"""The other side of `ratio_dbos`: a lifecycle as one DBOS workflow on SQLite, as its documentation would have it.

It runs in an environment of its own, without this project; this module must never import anything of ours.
"""

from __future__ import annotations

import http.client
import json
import resource
import sqlite3
import sys
import time
from pathlib import Path

import sqlalchemy
from dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource

STEPS = ("received", "accepted", "reviewed", "issued", "ordered", "dispatched", "delivered", "invited", "rated")
TOLD = {"accepted", "reviewed", "dispatched", "delivered", "invited"}
WARM = 5


def main() -> int:
    """`dbos_side.py <scratch> <lifecycles> <port> <bytes of a document> <bytes of an event>`"""
    scratch, count = Path(sys.argv[1]), int(sys.argv[2])
    port, size, said = (int(word) for word in sys.argv[3:6])
    for name in ("system", "cases"):
        with sqlite3.connect(scratch / f"{name}.db") as db:
            # Fewer syncs than the default journal takes; a commit is as durable (synchronous is FULL).
            db.execute("PRAGMA journal_mode=WAL")
    with sqlite3.connect(scratch / "cases.db") as db:
        db.execute("CREATE TABLE doc (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL)")
        db.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, value TEXT)")
    DBOS(config={"name": "toy", "system_database_url": f"sqlite:///{scratch}/system.db", "log_level": "ERROR"})
    cases = SQLAlchemyDatasource.create(f"sqlite:///{scratch}/cases.db")
    partner = http.client.HTTPConnection("127.0.0.1", port)

    @cases.transaction()
    def happens(case: str, type: str) -> None:
        """Changes the case's document and says an event, in one transaction, exactly once."""
        session = cases.sql_session()
        sql = (
            "INSERT INTO doc VALUES (:id, 1, :body)"
            " ON CONFLICT (id) DO UPDATE SET version = version + 1, body = excluded.body"
        )
        session.execute(sqlalchemy.text(sql), {"id": case, "body": json.dumps({"phase": type, "rest": "x" * size})})
        sql = "INSERT INTO log (id, type, value) VALUES (:id, :type, :value)"
        session.execute(sqlalchemy.text(sql), {"id": case, "type": type, "value": json.dumps({"rest": "x" * said})})

    @DBOS.step()
    def post(case: str, what: str) -> int:
        """A text message or a parcel."""
        partner.request("POST", "/post", body=b"x" * (1600 if what == "parcel" else 700))
        with partner.getresponse() as answer:
            answer.read()
            return answer.status

    @DBOS.workflow()
    def lifecycle(case: str) -> None:
        for type in STEPS:
            if type == "ordered":
                post(case, "parcel")
            happens(case, type)
            if type in TOLD:
                post(case, "message")

    DBOS.launch()
    for n in range(WARM + count):
        if n == WARM:
            before, began = spent(), time.perf_counter()
        with SetWorkflowID(f"case-{n}"):
            lifecycle(f"case-{n}")
    cpu, seconds = spent() - before, time.perf_counter() - began
    with sqlite3.connect(scratch / "cases.db") as db:
        versions = db.execute("SELECT sum(version) FROM doc").fetchone()[0]
    complete = versions == len(STEPS) * (WARM + count)
    print(json.dumps({"cpu_ms": cpu / count * 1e3, "per_s": count / seconds, "complete": complete}))
    DBOS.destroy()
    return 0


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
