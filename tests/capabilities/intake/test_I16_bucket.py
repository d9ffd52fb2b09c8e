"""I16 on a real server of the S3 protocol: the same store for a city whose replicas share no disk.

It must never talk to anything but processes it started itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.intake.partners.bucket import Bucket
from tests.capabilities.intake.test_I16_materials import (
    begun,
    download,
    material,
    patch,
    pdf,
    png,
    stored,
    uploaded,
    verdict,
)
from tests.capabilities.intake.town import town
from tests.real.s3 import KEY, SECRET, S3Server
from tests.services.intake.counter import at, body

pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with S3Server(tmp_path / "s3") as found:
        yield found


def settings(server: S3Server) -> dict[str, Any]:
    return {
        "TONGBAN_INTAKE_FILES": f"s3://{server.bucket('materials')}/city",
        "TONGBAN_INTAKE_FILES_ENDPOINT": server.url,
        "TONGBAN_INTAKE_FILES_KEY": KEY,
        "TONGBAN_INTAKE_FILES_SECRET": SECRET,
    }


async def test_up_claimed_down_and_refused(server: S3Server, tmp_path: Path) -> None:
    async with town(tmp_path / "town", at(4, 3, 9), **settings(server)) as place:
        data = pdf(1_200_000)
        ticket = await begun(place, data)
        for start in range(0, len(data), 500_000):
            assert (await patch(place, ticket, start, data[start : start + 500_000]))[0] == 204
        status, problem, _ = await patch(place, ticket, 0, data[:10])
        assert (status, problem["rule"]) == (409, "offset_conflict")
        assert (await place.portal("POST", f"/intake/uploads/{ticket}/complete"))[0] == 202
        assert (await verdict(place, ticket, "ready", "rejected"))["status"] == "ready"
        given = body("SJ-SPJY")
        code = given["materials"][0]["code"]
        given["materials"][0] = material(code, data, ticket)
        _, receipt = await place.submit("bucket-0001", given)
        await stored(place, receipt["case"], code, "yes")
        assert await download(place, receipt["case"], code) == (200, data)
        kept = [path for path in (server.directory / "data").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in kept) > len(data)
        assert not any(data[100:164] in path.read_bytes() for path in kept), "sealed at rest"
        assert (await uploaded(place, png(3, 3)))["rule"] == "upload_type"
        assert len([p for p in (server.directory / "data").rglob("*") if p.is_file()]) == len(kept)


async def test_while_the_bucket_is_down_nothing_is_lost(server: S3Server, tmp_path: Path) -> None:
    async with town(tmp_path / "town", at(4, 3, 9), **settings(server)) as place:
        data = pdf(900_000)
        ticket = await begun(place, data)
        assert (await patch(place, ticket, 0, data[:400_000]))[0] == 204
        server.stop()
        status, problem, _ = await patch(place, ticket, 400_000, data[400_000:])
        assert (status, problem["rule"]) == (503, "files_unavailable")
        server.start()
        assert (await patch(place, ticket, 400_000, data[400_000:]))[0] == 204
        assert (await place.portal("POST", f"/intake/uploads/{ticket}/complete"))[0] == 202
        assert (await verdict(place, ticket, "ready", "rejected"))["status"] == "ready"


def test_a_name_that_is_taken_is_never_overwritten(server: S3Server) -> None:
    bucket = Bucket(server.bucket("names"), "", endpoint=server.url, key=KEY, secret=SECRET, region="us-east-1")
    assert bucket.names("a") == []
    assert bucket.put("a", "0", b"first")
    assert not bucket.put("a", "0", b"second")
    assert (bucket.get("a", "0"), bucket.names("a")) == (b"first", [("0", 5)])
    bucket.drop("a")
    bucket.drop("a")
    with pytest.raises(FileNotFoundError):
        bucket.get("a", "0")
    foreign = Bucket("names", "", endpoint=server.url, key=KEY, secret="wrong", region="us-east-1")
    with pytest.raises(OSError, match="bucket"):
        foreign.put("a", "1", b"")
