"""The routes of the material store: a file goes up in chunks that can be resumed, and comes down for the window.

One tell or one read each beside the chunk itself; this module must never judge a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import StreamingResponse

from chassis.decision import Caller, Decider, Reject, hidden
from chassis.law.rights import Over, Right, officers, portals
from chassis.sealing import Keyring, SealError
from chassis.web import described
from chassis.web.answers import Answer, Route, answer
from chassis.web.door import Asked, Door, Told
from chassis.web.http import ASKED, may
from contracts.event import CaseId
from services.intake.case.state import Case
from services.intake.files.rules import FAULTS, spaces, upload_name
from services.intake.files.shapes import UploadStatus
from services.intake.files.state import OPEN, Announced, Begin, Complete, Upload
from services.intake.partners.content import TYPES
from services.intake.partners.sealed import SealedFiles

T = TypeVar("T")
UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Code = Annotated[str, Path(max_length=40)]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=100_000_000)]
LABELS = {
    "open": "等待上传",
    "checking": "正在检查",
    "ready": "可以使用",
    "removing": "正在删除",
    "rejected": "未通过检查",
    "gone": "已删除",
}

MARKS: Final = {
    "Upload-Offset": {"description": "bytes that are durable", "schema": {"type": "integer"}},
    "Upload-Length": {"description": "bytes that there will be", "schema": {"type": "integer"}},
}
BYTES: Final = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
SPEAKS = Right(
    "For the applicant speaks the portal or the agent that brought the case, and the window that has it.",
    portals("submit"),
    officers("window", over=Over.DEPARTMENT),
    officers("agent", over=Over.OWN),
)
FILES = Right(
    "Files are a portal's own, an agent's own, or a window's unit's; of a case none is shown here.",
    portals("submit"),
    officers("window", over=Over.DEPARTMENT),
    officers("agent", over=Over.OWN),
)
CHECKS = Right("The window that checks a case opens its materials.", officers("window", over=Over.DEPARTMENT))


class Uploading:
    """What the routes do with bytes and the document of an upload."""

    def __init__(
        self,
        uploads: Decider[Upload],
        cases: Decider[Case],
        files: SealedFiles,
        keyring: Keyring,
        limit: int,
        door: Door,
    ) -> None:
        self.uploads, self.cases, self.files, self.keyring = uploads, cases, files, keyring
        self.limit, self.door = limit, door

    async def begin(self, given: Announced, by: Caller, asked: Asked) -> Answer[UploadStatus]:
        """Raises Reject `upload_too_large`, `upload_type_unknown`, and what the rules raise."""
        if given.size > self.limit:
            raise Reject("upload_too_large", f"文件不得超过 {self.limit} 字节", "size", 422)
        if given.media_type not in TYPES:
            raise Reject("upload_type_unknown", f"只接受 {', '.join(TYPES)}", "media_type", 422)
        space = spaces(by)[0]
        upload = self.keyring.tag(upload_name(space, given.sha256))
        command = Begin(portal=space, sha256=given.sha256, size=given.size, media_type=given.media_type)
        told = await self.door.tell(self.uploads, upload, command, by=by, asked=asked)
        return await self.shown(told, 201)

    async def own(self, upload: str, by: Caller) -> Told[Upload]:
        """Raises Reject not_found alike for what somebody else has uploaded and for what nobody has."""
        told = await self.door.read(self.uploads, upload, by=by)
        if told.state.portal not in spaces(by):
            raise hidden()
        return told

    async def shown(self, told: Told[Upload], status: int = 200) -> Answer[UploadStatus]:
        state, offset = told.state, await reached(self.files.length(told.state.id))
        body: UploadStatus = {
            "upload": state.id,
            "sha256": state.sha256,
            "size": state.size,
            "media_type": state.media,
            "offset": offset,
            "status": state.phase,
            "label": LABELS[state.phase],
            "rule": state.rule or None,
            "message": FAULTS.get(state.rule),
            "until": state.until,
        }
        found = answer(body, status)
        found.headers.update({"Location": f"/intake/uploads/{state.id}", **marks(state.size, offset)})
        return found

    async def append(self, upload: str, offset: int, data: bytes, by: Caller) -> Response:
        """Durable before it is answered; the last chunk said again is answered again. Raises Reject `upload_closed`,
        `chunk_empty`, `upload_too_long`, `offset_conflict`."""
        state = (await self.own(upload, by)).state
        if state.phase != OPEN:
            raise Reject("upload_closed", "该上传已经结束")
        if not data:
            raise Reject("chunk_empty", "没有内容", status=400)
        if offset + len(data) > state.size:
            raise Reject("upload_too_long", "内容超过所报大小", "Upload-Offset", 422)
        end = await reached(self.files.append(upload, offset, data))
        if end != offset + len(data):
            raise Reject("offset_conflict", f"应从第 {end} 字节继续", "Upload-Offset")
        return Response(status_code=204, headers=marks(state.size, end))

    async def complete(self, upload: str, by: Caller, asked: Asked) -> Answer[UploadStatus]:
        await self.own(upload, by)
        command = Complete(length=await reached(self.files.length(upload)))
        return await self.shown(await self.door.tell(self.uploads, upload, command, by=by, asked=asked), 202)

    async def paper(self, case: str, code: str, by: Caller) -> Response:
        """Raises Reject not_found where the case has no such material in the store, `files_unavailable` (503) where not
        all of its bytes can be reached: that is said before anything is promised."""
        state = (await self.door.read(self.cases, case, by=by)).state
        paper = next((p for p in state.materials if p.code == code and p.stored == "yes"), None)
        if paper is None:
            raise Reject("not_found", "材料库中没有这份材料", status=404)
        if await reached(self.files.length(paper.upload)) != paper.size:
            raise unavailable()
        chunks = self.files.read(paper.upload)
        first = await reached(anext(chunks))
        headers = {
            "Content-Disposition": f'attachment; filename="{code}"',
            "Content-Length": str(paper.size),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return StreamingResponse(following(first, chunks), media_type=paper.media, headers=headers)


async def reached(files: Awaitable[T]) -> T:
    """Raises Reject `files_unavailable` (503) where the place of the files cannot be reached, or what is there cannot
    be opened: try again later."""
    try:
        return await files
    except (OSError, SealError):
        raise unavailable() from None


def unavailable() -> Reject:
    return Reject("files_unavailable", "材料库暂时不可用, 请稍后再试", status=503)


async def following(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A file of which the first chunk has been read already."""
    yield first
    async for chunk in rest:
        yield chunk


def marks(size: int, offset: int) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Upload-Length": str(size), "Cache-Control": "no-store"}


def routes(uploading: Uploading) -> APIRouter:
    """`/intake/uploads`, and the materials of a case for the window."""
    router = APIRouter(route_class=Route)

    @router.post("/uploads", status_code=201, responses={201: {"headers": MARKS}})
    async def begin_upload(given: Announced, by: Caller = may(FILES), asked: Asked = ASKED) -> Answer[UploadStatus]:
        """开始上传 begin an upload

        SHA-256, size and type of the file. The same file again goes on where it is.
        """
        return await uploading.begin(given, by, asked)

    @router.get("/uploads/{upload}", responses={200: {"headers": MARKS}})
    async def read_upload(upload: UploadId, by: Caller = may(FILES)) -> Answer[UploadStatus]:
        """上传情况 how far an upload is

        `Upload-Offset` of `Upload-Length` bytes, and what inspection has found.
        """
        return await uploading.shown(await uploading.own(upload, by))

    @router.head("/uploads/{upload}", responses={200: {"headers": MARKS}}, response_class=Response)
    async def measure_upload(upload: UploadId, by: Caller = may(FILES)) -> Response:
        """上传进度 how far an upload is, by its headers

        As the draft of resumable uploads asks it.
        """
        return await uploading.shown(await uploading.own(upload, by))

    @router.patch(
        "/uploads/{upload}", status_code=204, responses={204: {"headers": MARKS}}, openapi_extra={"requestBody": BYTES}
    )
    async def append(upload: UploadId, offset: Offset, request: Request, by: Caller = may(FILES)) -> Response:
        """续传 the next bytes of an upload

        The bytes from `Upload-Offset` on. 409 `offset_conflict` says where to go on.
        """
        return await uploading.append(upload, offset, await request.body(), by)

    @router.post("/uploads/{upload}/complete", status_code=202, responses={202: {"headers": MARKS}})
    async def complete_upload(upload: UploadId, by: Caller = may(FILES), asked: Asked = ASKED) -> Answer[UploadStatus]:
        """上传完成 end an upload

        The file is inspected; `GET` shows the verdict.
        """
        return await uploading.complete(upload, by, asked)

    @router.get(
        "/cases/{case}/materials/{code}", response_class=Response, responses=described.text("文件", media="*/*")
    )
    async def read_material(case: CaseId, code: Code, by: Caller = may(CHECKS)) -> Response:
        """材料文件 the file of one material

        For the window that checks it.
        """
        return await uploading.paper(case, code, by)

    return router
