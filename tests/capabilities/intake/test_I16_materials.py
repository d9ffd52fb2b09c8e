"""I16: a file goes up in chunks, is judged by its content, lies sealed, and is what the window gets to see.

Through the public door and with real kills; nothing here may look into a document.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import random
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.intake import Bounced
from contracts.portal import Submitted
from tests.capabilities.intake.replicas import KEY, replicas
from tests.capabilities.intake.town import KEYS, Town, town
from tests.chassis.running import until
from tests.services.intake.counter import at, body

pytestmark = pytest.mark.anyio

WINDOW = "sj-window-1"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The test file of the anti-virus makers (eicar.org)."""


def pdf(size: int = 3_000, salt: str = "") -> bytes:
    filling = random.Random(size).randbytes(size)
    return b"%PDF-1.7\n" + salt.encode() + filling + b"\nstartxref\n0\n%%EOF\n"


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def ofd(**entries: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("_", "."), data)
    return out.getvalue()


def told(data: bytes, media: str = "application/pdf") -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "media_type": media}


def material(code: str, data: bytes, ticket: str | None) -> dict[str, Any]:
    return {"code": code, **told(data), **({"upload": ticket} if ticket else {})}


async def patch(place: Town, ticket: str, offset: Any, data: bytes, name: str = "demo") -> tuple[int, Any, str]:
    """Status, problem and `Upload-Offset` of one chunk."""
    headers = {"X-Api-Key": KEYS[name][0], "Upload-Offset": str(offset)}
    async with place.http.patch(f"{place.url}/intake/uploads/{ticket}", data=data, headers=headers) as answer:
        problem = await answer.json(content_type=None) if answer.status != 204 else None
        return answer.status, problem, answer.headers.get("Upload-Offset", "")


async def begun(place: Town, data: bytes, media: str = "application/pdf", name: str = "demo") -> str:
    status, answer = await place.portal("POST", "/intake/uploads", told(data, media), name)
    assert status == 201, answer
    return str(answer["upload"])


async def verdict(place: Town, ticket: str, *phases: str, name: str = "demo") -> Any:
    """What `GET` shows once the upload is in one of these phases."""
    seen: list[Any] = []

    async def there() -> bool:
        status, shown = await place.portal("GET", f"/intake/uploads/{ticket}", name=name)
        seen[:] = [shown]
        return status == 200 and shown["status"] in phases

    await until(there)
    return seen[0]


async def uploaded(place: Town, data: bytes, media: str = "application/pdf", name: str = "demo") -> Any:
    """The whole way up, in one chunk."""
    ticket = await begun(place, data, media, name)
    assert (await patch(place, ticket, 0, data, name))[0] == 204
    assert (await place.portal("POST", f"/intake/uploads/{ticket}/complete", name=name))[0] == 202
    return await verdict(place, ticket, "ready", "rejected", name=name)


async def stored(place: Town, case: str, code: str, expected: str | None) -> None:
    async def so() -> bool:
        _, seen = await place.portal("GET", f"/intake/cases/{case}")
        return [m["stored"] for m in seen["materials"] if m["code"] == code] == [expected]

    await until(so)


async def download(place: Town, case: str, code: str, staff: str = WINDOW) -> tuple[int, bytes]:
    token = {"Authorization": f"Bearer {await place.token(staff)}"}
    async with place.http.get(f"{place.url}/intake/cases/{case}/materials/{code}", headers=token) as answer:
        return answer.status, await answer.read()


async def unavailable(place: Town, case: str) -> str:
    """The answer that promises nothing: no length, no name of a file."""
    status, content = await download(place, case, "layout")
    assert status == 503
    return content.decode()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, at(4, 3, 9)) as found:
        yield found


def kept(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "materials").rglob("*") if path.is_file()]


async def test_in_chunks_then_claimed_then_read_at_the_window(place: Town, tmp_path: Path) -> None:
    """The line breaks after the second chunk; `Upload-Offset` says where to go on."""
    data = pdf(1_500_000)
    ticket = await begun(place, data)
    assert (await patch(place, ticket, 0, data[:600_000]))[2] == "600000"
    assert (await patch(place, ticket, 600_000, data[600_000:1_000_000]))[2] == "1000000"
    async with place.http.head(f"{place.url}/intake/uploads/{ticket}", headers={"X-Api-Key": KEYS["demo"][0]}) as seen:
        assert (seen.headers["Upload-Offset"], seen.headers["Upload-Length"]) == ("1000000", str(len(data)))
    assert (await patch(place, ticket, 600_000, data[600_000:1_000_000]))[2] == "1000000", "said again, kept once"
    status, problem, _ = await patch(place, ticket, 600_000, data[600_000:1_100_000])
    assert (status, problem["rule"]) == (409, "offset_conflict")
    status, problem = await place.portal("POST", f"/intake/uploads/{ticket}/complete")
    assert (status, problem["rule"]) == (409, "upload_incomplete")
    assert (await patch(place, ticket, 1_000_000, data[1_000_000:]))[0] == 204
    assert (await place.portal("POST", f"/intake/uploads/{ticket}/complete"))[0] == 202
    assert (await verdict(place, ticket, "ready", "rejected"))["status"] == "ready"

    given = body("SJ-SPJY")
    given["materials"] = [material("layout", data, ticket), *(m for m in given["materials"] if m["code"] != "layout")]
    status, receipt = await place.submit("materials-0001", given)
    assert status == 201, receipt
    await stored(place, receipt["case"], "layout", "yes")
    assert await download(place, receipt["case"], "layout") == (200, data)
    assert (await download(place, receipt["case"], "layout", "mz-window-1"))[0] == 404, "another department's window"
    assert (await download(place, receipt["case"], "health_cards"))[0] == 404, "the portal keeps this one itself"
    assert (await place.do(WINDOW, receipt["case"], "accept"))[0] == 200
    lying = b"".join(path.read_bytes() for path in kept(tmp_path))
    assert len(lying) > len(data)
    assert data[100:164] not in lying
    assert b"%PDF" not in lying
    first, *_, last = sorted(kept(tmp_path))
    first.write_bytes(first.read_bytes()[::-1])
    assert "files_unavailable" in (await unavailable(place, receipt["case"])), "what is there cannot be opened"
    last.unlink()
    assert "files_unavailable" in (await unavailable(place, receipt["case"])), "not all of it lies here"


@pytest.mark.parametrize(
    ("data", "media", "rule"),
    [
        (png(10, 10), "application/pdf", "upload_type"),
        (pdf(), "image/png", "upload_type"),
        (pdf()[:-20], "application/pdf", "upload_damaged"),
        (png(60_000, 60_000), "image/png", "upload_bomb"),
        (ofd(OFD_xml=b"<x/>", page=b"0" * 5_000_000), "application/ofd", "upload_bomb"),
        (ofd(word_xml=b"<x/>"), "application/ofd", "upload_type"),
        (b"\xff\xd8\xff\xe0" + bytes(50) + b"\xff\xd9", "image/jpeg", "upload_damaged"),
    ],
)
async def test_a_false_type_or_bomb_is_refused_by_its_content(
    place: Town, tmp_path: Path, data: bytes, media: str, rule: str
) -> None:
    shown = await uploaded(place, data, media)
    assert (shown["status"], shown["rule"]) == ("rejected", rule)
    assert shown["message"]
    assert kept(tmp_path) == [], "what is refused is not kept"


async def test_sound_files_of_every_type(place: Town) -> None:
    for data, media in (
        (png(10, 10), "image/png"),
        (ofd(OFD_xml=b"<x/>"), "application/ofd"),
        (pdf(), "application/pdf"),
    ):
        assert (await uploaded(place, data, media))["status"] == "ready", media


async def test_other_bytes_than_announced(place: Town) -> None:
    data = pdf()
    ticket = await begun(place, data)
    assert (await patch(place, ticket, 0, data[:-1] + b"?"))[0] == 204
    await place.portal("POST", f"/intake/uploads/{ticket}/complete")
    assert (await verdict(place, ticket, "ready", "rejected"))["rule"] == "upload_hash"
    assert (await uploaded(place, data))["status"] == "ready", "a refused upload can begin anew"


async def test_wrong_requests_name_field_and_rule(place: Town) -> None:
    data = pdf()
    cases: list[tuple[dict[str, Any], str]] = [
        ({**told(data), "size": 20_000_001}, "upload_too_large"),
        (told(data, "text/html"), "upload_type_unknown"),
        ({**told(data), "sha256": "0x"}, "string_pattern_mismatch"),
        ({**told(data), "size": 0}, "greater_than_equal"),
        ({**told(data), "name": "../../passwd"}, "extra_forbidden"),
    ]
    for given, rule in cases:
        status, problem = await place.portal("POST", "/intake/uploads", given)
        assert (status, problem["rule"]) == (422, rule)
    ticket = await begun(place, data)
    for offset, chunk, expected in (
        (0, b"", (400, "chunk_empty")),
        (7, data[7:], (409, "offset_conflict")),
        (0, data + b"!", (422, "upload_too_long")),
        ("x", data, (422, "int_parsing")),
        (-1, data, (422, "greater_than_equal")),
    ):
        status, problem, _ = await patch(place, ticket, offset, chunk)
        assert (status, problem["rule"]) == expected
    assert (await patch(place, ticket, 0, bytes(1_000_001)))[0] == 413
    assert (await patch(place, ticket, 0, data, "other"))[0] == 404, "another portal's upload"
    assert (await place.portal("GET", f"/intake/uploads/{ticket}", name="other"))[0] == 404
    assert (await place.call("POST", "/intake/uploads", told(data)))[0] == 401
    assert (await place.office("mz-handler-1", "POST", "/intake/uploads", told(data)))[0] == 403
    status, problem = await place.portal("POST", "/intake/uploads", {**told(data), "media_type": "image/png"})
    assert (status, problem["rule"]) == (409, "upload_differs")


async def test_a_ticket_is_good_for_its_portal_and_content_only(place: Town) -> None:
    data, given = pdf(), body("SJ-SPJY")
    foreign = (await uploaded(place, data, name="other"))["upload"]
    for ticket in (foreign, "0" * 32):
        given["materials"][0] = material(given["materials"][0]["code"], data, ticket)
        status, problem = await place.submit(f"ticket-{ticket}", given)
        assert (status, problem["rule"], problem["field"]) == (422, "upload_unknown", "materials.0.upload")
    event = Submitted(at=at(4, 3, 9), portal="demo", submission="ticket-by-event", **given)
    await place.publish(event)
    assert [p.rule for p in (await place.answered(Bounced))[0].problems] == ["upload_unknown"]


async def test_what_is_refused_after_the_claim_keeps_the_case_from_acceptance(place: Town) -> None:
    """The application comes first, the file later, and the file is false: the window asks once and gets a good one."""
    false, good, given = png(5, 5), pdf(salt="good"), body("SJ-SPJY")
    code = given["materials"][0]["code"]
    ticket = await begun(place, false)
    given["materials"][0] = material(code, false, ticket)
    _, receipt = await place.submit("claimed-first", given)
    status, problem = await place.do(WINDOW, receipt["case"], "accept")
    assert (status, problem["rule"], problem["field"]) == (409, "material_not_stored", code)
    await patch(place, ticket, 0, false)
    await place.portal("POST", f"/intake/uploads/{ticket}/complete")
    await stored(place, receipt["case"], code, "upload_type")
    assert (await download(place, receipt["case"], code))[0] == 404
    wanted = {"missing": [{"code": code, "reason": "文件不是 PDF"}]}
    assert (await place.do(WINDOW, receipt["case"], "correct", wanted))[0] == 200
    new = (await uploaded(place, good))["upload"]
    sent = {"materials": [material(code, good, new)]}
    status, answer = await place.portal("POST", f"/intake/cases/{receipt['case']}/supplement", sent)
    assert status == 200, answer
    await stored(place, receipt["case"], code, "yes")
    assert (await place.do(WINDOW, receipt["case"], "accept"))[0] == 200


async def test_abandoned_after_a_day_claimed_for_years(place: Town, tmp_path: Path) -> None:
    half, free, named = pdf(400), pdf(500), pdf(600)
    ticket = await begun(place, half)
    await patch(place, ticket, 0, half[:100])
    unclaimed, claimed = (await uploaded(place, free))["upload"], (await uploaded(place, named))["upload"]
    given = body("SJ-SPJY")
    code = given["materials"][0]["code"]
    given["materials"][0] = material(code, named, claimed)
    _, receipt = await place.submit("claimed-for-years", given)
    await stored(place, receipt["case"], code, "yes")
    place.suite.clock.move(at(4, 4, 9) + timedelta(minutes=1))
    for gone in (ticket, unclaimed):
        assert (await verdict(place, gone, "gone"))["offset"] == 0
    assert len(kept(tmp_path)) == 1
    assert (await patch(place, ticket, 0, half))[1]["rule"] == "upload_closed"
    given["materials"][0] = material(code, free, unclaimed)
    _, late = await place.submit("claimed-too-late", given)
    await stored(place, late["case"], code, "upload_gone")
    assert (await uploaded(place, free))["status"] == "ready"
    await stored(place, late["case"], code, "yes")


async def test_a_city_may_ask_that_every_file_be_in_the_store(tmp_path: Path) -> None:
    async with town(tmp_path, at(4, 3, 9), TONGBAN_INTAKE_FILES_REQUIRED="true") as place:
        status, problem = await place.submit("without-files", body("SJ-SPJY"))
        assert (status, {p["rule"] for p in problem["errors"]}) == (422, {"upload_missing"})


# -------------------------------------------------------------------------------------------------- scanner and kills


@contextlib.asynccontextmanager
async def clamd() -> AsyncIterator[tuple[asyncio.Server, int]]:
    """A scanner that speaks INSTREAM as clamd(8) documents it, and knows one virus."""

    async def scan(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert await reader.readexactly(10) == b"zINSTREAM\0"
            found = b""
            while length := int.from_bytes(await reader.readexactly(4), "big"):
                found += await reader.readexactly(length)
            writer.write(b"stream: Eicar-Test FOUND\0" if EICAR in found else b"stream: OK\0")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(scan, "127.0.0.1", 0)
    try:
        yield server, server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_what_the_scanner_finds_is_refused_and_nothing_passes_without_it(tmp_path: Path) -> None:
    async with clamd() as (server, port):
        address = f"127.0.0.1:{port}"
        async with town(tmp_path, at(4, 3, 9), TONGBAN_INTAKE_SCANNER=address) as place:
            shown = await uploaded(place, pdf(70_000, EICAR.decode()))
            assert (shown["status"], shown["rule"]) == ("rejected", "upload_infected")
            server.close()
            data = pdf(800)
            ticket = await begun(place, data)
            await patch(place, ticket, 0, data)
            await place.portal("POST", f"/intake/uploads/{ticket}/complete")
            assert (await verdict(place, ticket, "checking", "ready", "rejected"))["status"] == "checking"
            async with clamd_at(port):
                assert (await verdict(place, ticket, "ready", "rejected"))["status"] == "ready"


@contextlib.asynccontextmanager
async def clamd_at(port: int) -> AsyncIterator[None]:
    """The scanner is back at its old address, and finds nothing."""

    async def scan(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        while length := int.from_bytes(await reader.readexactly(4), "big"):
            await reader.readexactly(length)
        writer.write(b"stream: OK\0")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(scan, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def test_every_chunk_answered_survives_a_kill(tmp_path: Path) -> None:
    """Killed while chunks come and while it inspects: what was answered is there, and the file is whole."""
    data = pdf(2_000_000)
    async with replicas(tmp_path) as place:

        async def ask(method: str, path: str, **more: Any) -> Any:
            async with place.http.request(method, place.url(0) + path, headers=more.pop("headers"), **more) as answer:
                return answer.status, answer.headers.copy(), await answer.read()

        key: dict[str, Any] = {"X-Api-Key": KEY}
        opened = await place.ask("POST", "/intake/uploads", told(data), **key)
        path = f"/intake/uploads/{opened.body['upload']}"
        answered = 0
        while answered < len(data):
            chunk = data[answered : answered + 400_000]
            status, headers, _ = await ask("PATCH", path, data=chunk, headers={**key, "Upload-Offset": str(answered)})
            assert status == 204
            answered = int(headers["Upload-Offset"])
            if answered == 800_000:
                cut = asyncio.ensure_future(
                    ask("PATCH", path, data=data[800_000:1_200_000], headers={**key, "Upload-Offset": "800000"})
                )
                # Killed while the chunk is being written, or at the latest when it has been answered.
                await until(lambda: cut.done() or any(n.name.startswith(".") for n in kept(tmp_path)))  # noqa: B023
                place.kill()
                await asyncio.gather(cut, return_exceptions=True)
                await place.restart()
                _, headers, _ = await ask("HEAD", path, headers=key)
                assert int(headers["Upload-Offset"]) >= 800_000
                answered = int(headers["Upload-Offset"])
        assert (await ask("POST", f"{path}/complete", headers=key))[0] == 202
        place.kill()
        await place.restart()

        async def ready() -> bool:
            shown = await place.ask("GET", path, **key)
            assert shown.body["status"] != "rejected"
            return bool(shown.body["status"] == "ready")

        await until(ready)
