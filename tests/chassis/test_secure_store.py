"""The store on the MongoDB wire protocol over TLS: whose certificate is not signed by our authority is not spoken to.

The server of the tests knows no logins, so those are a table in `test_kafka`; this must never need another server.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from chassis.drivers.mongo import MongoStore, access
from chassis.settings import ChassisSettings
from chassis.store import Row, StoreDown

pytestmark = [pytest.mark.anyio, pytest.mark.real]
DRIVERS = ("motor", "pymongo")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.real.secure import SecureMongoServer

    with SecureMongoServer(tmp_path_factory.mktemp("mongo")) as started:
        yield started


def store(server: Any, driver: str, **settings: Any) -> MongoStore:
    given = ChassisSettings.model_validate(settings)
    return MongoStore(server.url, f"secure_{driver}", driver, access=access(given))


@pytest.mark.parametrize("driver", DRIVERS)
async def test_over_tls_documents_are_kept(server: Any, driver: str) -> None:
    own = store(server, driver, mongo_tls=True, mongo_ca=server.directory / "ca.pem")
    await own.open()
    assert await own.write([Row("toy", "a", 1, 0, b"{}", "me", 0)], {}) == set()
    assert (await own.load([("toy", "a")]))["toy", "a"].version == 1
    await own.close()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("authority", ["stranger.pem", ""])
async def test_a_stranger_is_not_spoken_to(server: Any, driver: str, authority: str) -> None:
    trusted = {"mongo_tls": True, "mongo_ca": server.directory / authority} if authority else {}
    foreign = store(server, driver, **trusted)
    with pytest.raises(StoreDown):
        await foreign.open()
    await foreign.close()
    gc.collect()  # else a test that is not on real backends is blamed for the socket of the failed handshake
