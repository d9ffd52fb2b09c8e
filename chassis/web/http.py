"""The HTTP base of every service: problem+json, callers, conditional and repeatable requests, limits, health.

Routes are the services' own; this module must never import a service, a store or a bus.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.routing import iter_route_contexts
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.exceptions import HTTPException as Refused
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import TypedDict

from chassis import metrics
from chassis.clock import Clock
from chassis.decision import Caller, Reject, ensure
from chassis.document import Bug
from chassis.law.rights import ANYBODY, Right
from chassis.web import described
from chassis.web.answers import Answer, Route, answer
from chassis.web.deputies import Deputies
from chassis.web.door import Asked
from chassis.web.language import English
from chassis.web.pressure import AGAIN, Pressure
from chassis.web.problems import PROBLEM, Say, details, spoken, titled
from chassis.web.reading import halves
from contracts.event import Problem, brief
from contracts.wire import MESSAGES, MOST_ERRORS, problems_of

log = logging.getLogger("tongban")
F = TypeVar("F", bound=Callable[..., Any])

KEY = re.compile(r"[\x21-\x7e]{1,128}")
RULES = {400: "body_unreadable", 404: "no_such_path", 405: "method_not_allowed", 413: "body_too_large"}


def problem(
    request: Request,
    status: int,
    problems: Sequence[Problem],
    headers: Mapping[str, str] | None = None,
    rule: str = "",
) -> Response:
    """RFC 9457 problem details in the language that the caller prefers."""
    body, own = details(status, problems, request.headers.get("accept-language"), request.app.state.english, rule)
    return Response(body, status, {**(headers or {}), **own}, PROBLEM)


def saying(request: Request) -> Say:
    """How sentences are said to this caller."""
    return spoken(request.headers.get("accept-language"), request.app.state.english)[0]


async def _whole(request: Request) -> None:
    """Dependency of every route: a JSON body with half a character is refused before anybody keeps or digests it."""
    if getattr(request.scope["route"], "body_field", None) is None:
        return
    body = await request.body()
    try:
        found = tuple(islice(halves(body, await request.json()), MOST_ERRORS)) if body else ()
    except (ValueError, RecursionError):  # no JSON: the route itself says what it expects
        return
    if found:
        raise Reject.of(found)


async def busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers whoever is to come again later."""
    again = (Problem(rule="overloaded", message="业务繁忙, 请稍后再试"),)
    await problem(Request(scope), 503, again, {"Retry-After": str(AGAIN)})(scope, receive, send)


async def _asked(
    if_match: Annotated[
        str | None, Header(description="所见版本 (先前返回的 ETag); 其间有变则 412", examples=['"3"'])
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(description="1 至 128 个可见字符; 同键同内容只办一次, 再问得同一答复", examples=["demo-0001"]),
    ] = None,
    prefer: Annotated[
        str | None, Header(description="wait=秒数 (至多 30): 尚无此文档时等候", examples=["wait=5"])
    ] = None,
) -> Asked:
    version = None
    if if_match is not None and if_match != "*":
        text = if_match.strip().removeprefix("W/").strip('"')
        if not text.isdecimal() or len(text) > 15:
            raise Reject("etag_invalid", "If-Match 应为先前返回的 ETag", "If-Match", 400)
        version = int(text)
    if idempotency_key is not None and not KEY.fullmatch(idempotency_key):
        raise Reject("idempotency_key_invalid", "Idempotency-Key 应为 1 至 128 个可见字符", "Idempotency-Key", 400)
    found = re.search(r"\bwait=(\d{1,3})\b", prefer or "")
    return Asked(version, idempotency_key, float(found[1]) if found else 0.0)


ASKED: Any = Depends(_asked)


PROBES: Final = Right("Health and numbers, never a case or a person; who reaches them, the network says.", ANYBODY)


def may(right: Right) -> Any:
    """Dependency: a caller who has this right over something; over what, is asked again with each document. A portal
    shows its API key (`X-Api-Key`), an officer a bearer token; where both may call, the token counts if no key is
    given."""

    async def officer(request: Request, authorization: Annotated[str | None, Header()] = None) -> Caller:
        state = request.app.state
        caller = await state.officers.caller(authorization)
        deputies: Deputies = state.deputies[request.scope["path"].split("/", 2)[1]]
        return admitted(deputies.filling(caller, state.clock.legal().date()), right)

    async def portal(request: Request, x_api_key: Annotated[str | None, Header()] = None) -> Caller:
        scope = next(scope for grant in right.grants if grant.kind == "portal" for scope in grant.names)
        found: Caller = request.app.state.portals.caller(x_api_key, scope)
        return admitted(found, right)

    async def either(
        request: Request,
        x_api_key: Annotated[str | None, Header()] = None,
        authorization: Annotated[str | None, Header()] = None,
    ) -> Caller:
        return await (officer(request, authorization) if x_api_key is None else portal(request, x_api_key))

    kinds = right.kinds()
    caller = either if {"portal", "officer"} <= kinds else portal if "portal" in kinds else officer
    return Depends(entitled(right)(caller))


def admitted(caller: Caller, right: Right) -> Caller:
    """The caller at a route of this right. Raises Reject where there is nothing at all that they may do there."""
    found = caller.under(right)
    ensure(found, None)
    return found


def entitled(right: Right) -> Callable[[F], F]:
    """Decorates a route without a caller to be known, so that the table of rights says who may use it: anybody, or a
    partner whose signature the route itself verifies."""

    def marked(endpoint: F) -> F:
        endpoint.right = right  # type: ignore[attr-defined]
        return endpoint

    return marked


def right_of(route: Any) -> Right | None:
    """The right that stands beside a route, one of `iter_route_contexts`."""
    calls = (route.endpoint, *(dependency.call for dependency in route.original_route.dependant.dependencies))
    return next((call.right for call in calls if hasattr(call, "right")), None)


def refuses(words: Callable[[str], Mapping[str, Any]]) -> Callable[[F], F]:
    """Decorates a partner's route: what is refused before the route sees it (a body too large) is answered in the
    partner's own words for a failure, with our rule beside."""

    def marked(endpoint: F) -> F:
        endpoint.refusal = words  # type: ignore[attr-defined]
        return endpoint

    return marked


def new_work(endpoint: F) -> F:
    """Decorates a route at which new work begins: where time is short, such requests are sent away first."""
    endpoint.new_work = True  # type: ignore[attr-defined]
    return endpoint


class Live(TypedDict):
    """Whether work goes on."""

    ok: bool


class Ready(Live):
    """`services` says of each service what it can and cannot reach."""

    services: dict[str, dict[str, Any]]


def new_work_at(app: FastAPI) -> frozenset[str]:
    """The paths of the routes at which new work begins."""
    contexts = iter_route_contexts(app.routes)
    return frozenset(str(c.path) for c in contexts if hasattr(c.endpoint, "new_work"))


class Measured:
    """ASGI middleware: counts and times requests by service and status, never by path or person. Whom the process has
    no time for is told once his body begins to come, before his request costs anything; whom it has time for goes on in
    turn. Who reads a body that says it is too large, or lies about that, gets HTTPException 413 instead of its rest."""

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        names: frozenset[str],
        body_limit: int,
        pressure: Pressure,
    ) -> None:
        self.app, self.clock, self.names, self.body_limit = app, clock, names, body_limit
        self.pressure = pressure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = self.clock.ticks()
        path, method = scope["path"], scope["method"]
        first = path.lstrip("/").partition("/")[0]
        service = first if first in self.names else "other"
        declared = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        status, size = 500, 0
        early: Message | None = None

        async def limited() -> Message:
            nonlocal size, early
            if declared <= self.body_limit:
                message, early = early or await receive(), None
                size += len(message.get("body", b""))
                if size <= self.body_limit:
                    return message
            raise HTTPException(413)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        app = self.app
        if self.pressure.paces(service, method) and declared <= self.body_limit:
            # Most bodies are there with their heads. Between this look and the queue nobody else comes in.
            early = await receive()
            if self.pressure.refuses(service, path):
                app = busy
            else:
                await self.pressure.turn(path)
        try:
            await app(scope, limited, watched)
        finally:
            metrics.HTTP.labels(service, scope["method"], f"{status // 100}xx").inc()
            metrics.HTTP_SECONDS.labels(service).observe(self.clock.ticks() - began)


def application(
    names: frozenset[str],
    clock: Clock,
    *,
    body_limit: int,
    live: Callable[[], Awaitable[Live]],
    ready: Callable[[], Awaitable[Ready]],
    english: English,
    pressure: Pressure,
) -> FastAPI:
    """The empty application: error words, limits, health and metrics; services' routers are included by the suite."""
    app: FastAPI = FastAPIOffline(
        title="Tongban 通办",
        version=described.VERSION,
        description=described.ABOUT,
        license_info=described.LICENCE,
        servers=[{"url": "/", "description": "where this description was read"}],
        redoc_url=None,
        openapi_tags=[
            {"name": name, "description": described.TAGS.get(name, name)}
            for name in sorted({*names, "operators", "suite"})
        ],
        generate_unique_id_function=described.operation,
        separate_input_output_schemas=False,
        dependencies=[Depends(_whole)],
    )
    app.router.route_class = Route
    app.state.english, app.state.clock = english, clock

    @app.exception_handler(Reject)
    async def on_reject(request: Request, error: Reject) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 and error.field == "Authorization" else None
        return problem(request, error.status, error.problems, headers, error.rule)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        found = brief(tuple(_problem(e) for e in error.errors()[:MOST_ERRORS]))
        malformed = any(p.rule == "json_invalid" for p in found)
        return problem(request, 400 if malformed else 422, found)

    @app.exception_handler(ValidationError)
    async def on_unreadable(request: Request, error: ValidationError) -> Response:
        return problem(request, 422, problems_of(error))

    @app.exception_handler(Refused)
    async def on_http(request: Request, error: Refused) -> Response:
        rule, text = RULES.get(error.status_code, "http"), titled(error.status_code)
        if error.status_code == 413:
            text = f"请求内容不得超过 {body_limit} 字节"
        words = getattr(request.scope.get("endpoint"), "refusal", None)
        if words is not None:
            return answer({**words(text), "rule": rule}, error.status_code)
        return problem(request, error.status_code, (Problem(rule=rule, message=text),), error.headers)

    @app.exception_handler(ClientDisconnect)
    async def on_gone(request: Request, error: ClientDisconnect) -> Response:
        """Who hung up in the middle of a body hears nothing; what counts is that it is no failure of ours."""
        return problem(request, 400, (Problem(rule="body_cut_off", message=titled(400)),))

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("request failed: %s", error if isinstance(error, Bug) else type(error).__name__)
        return problem(request, 500, (Problem(rule="internal_error", message="系统内部错误, 已记录"),))

    @app.get("/live", name="live", tags=["suite"], responses=described.unhealthy(Live))
    @entitled(PROBES)
    async def is_live() -> Answer[Live]:
        """存活 is it alive

        Work goes on. 503 says that a loop has stopped and that the process should be started again.
        """
        state = await live()
        return answer(state, 200 if state["ok"] else 503)

    @app.get("/ready", name="ready", tags=["suite"], responses=described.unhealthy(Ready))
    @entitled(PROBES)
    async def is_ready() -> Answer[Ready]:
        """就绪 is it ready

        Every service can serve, with what each has to say of its bus, its store and its partners.
        """
        state = await ready()
        return answer(state, 200 if state["ok"] else 503)

    @app.get("/metrics", name="metrics", tags=["suite"], response_class=PlainTextResponse)
    @entitled(PROBES)
    async def metric() -> Response:
        """指标 metrics

        In the text format of Prometheus; at the front door of several processes every series says whose it is.
        """
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    described.describe(app)
    app.add_middleware(Measured, clock=clock, names=names, body_limit=body_limit, pressure=pressure)
    return app


def _problem(error: Any) -> Problem:
    """One finding of FastAPI's validation, without the value that was found."""
    where = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(where) if error["type"] != "json_invalid" else None
    return Problem(rule=error["type"], field=field or None, message=MESSAGES.get(error["type"], "格式不正确"))
