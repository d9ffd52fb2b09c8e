"""The demonstration city's officers, and the client with which one of them works: worklists, claims, decisions.

It knows the suite's public HTTP only; this module must never import a service.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from sandbox.patience import asked

AREA = "341600"
"""亳州市."""

SECRET = "sandbox"  # noqa: S105  (every pretend officer's password, printed in the guide)


@dataclass(frozen=True, slots=True)
class Officer:
    """A staff id, never a name; `title` is the post (岗位)."""

    id: str
    title: str
    roles: tuple[str, ...]
    department: str
    area: str = AREA


DEPARTMENTS = {
    "mz": "民政局",
    "wj": "卫生健康委",
    "sj": "市场监督管理局",
    "zj": "住房和城乡建设局",
    "rs": "人力资源和社会保障局",
    "xz": "乡镇政府",
}

POSTS = (
    ("window-1", "窗口收件员", ("window",)),
    ("handler-1", "承办人（A岗）", ("handler",)),
    ("handler-2", "承办人（B岗）", ("handler",)),
    ("checker-1", "审核人", ("checker",)),
    ("approver-1", "批准人", ("approver",)),
    ("issuer-1", "出件员", ("issuer",)),
    ("callback-1", "差评回访员", ("callback",)),
)

OFFICERS: tuple[Officer, ...] = (
    *(
        Officer(f"{code}-{post}", f"{department}{title}", roles, department)
        for code, department in DEPARTMENTS.items()
        for post, title, roles in POSTS
    ),
    Officer("xz-agent-1", "村级代办员（A岗）", ("agent",), "乡镇政府"),
    Officer("xz-agent-2", "村级代办员（B岗）", ("agent",), "乡镇政府"),
    Officer("zx-window-1", "政务服务中心综合窗口收件员", ("window",), "政务服务中心"),
    Officer("zx-issuer-1", "政务服务中心统一出件员", ("issuer",), "政务服务中心"),
    Officer("zx-callback-1", "政务服务中心回访员", ("callback",), "政务服务中心"),
    Officer("jc-supervisor-1", "电子监察员", ("supervisor",), "监察中心"),
    Officer("yw-operator-1", "系统运行值班员", ("operator",), "数据资源管理局"),
    Officer("sx-editor-1", "事项编辑员", ("item_editor",), "数据资源管理局"),
    Officer("sx-editor-2", "事项编辑员兼发布员", ("item_editor", "item_publisher"), "数据资源管理局"),
    Officer("sx-publisher-1", "事项发布员", ("item_publisher",), "数据资源管理局"),
    Officer("sj-head-1", "市场监督管理局许可科负责人", ("head",), "市场监督管理局"),
    Officer("aq-security-1", "安全管理员", ("security",), "数据资源管理局"),
    Officer("aq-auditor-1", "审计管理员", ("auditor",), "数据资源管理局"),
    Officer("sj-622-window-1", "蒙城县市场监督管理局窗口收件员", ("window",), "市场监督管理局", "341622"),
    Officer("sj-622-handler-1", "蒙城县市场监督管理局承办人", ("handler",), "市场监督管理局", "341622"),
    Officer("xz-602101-window-1", "古井镇便民服务中心收件员", ("window",), "乡镇政府", "341602101"),
    Officer("xz-602101201-agent-1", "减店村代办员", ("agent",), "乡镇政府", "341602101201"),
)
"""Every department has one officer of each post and two handlers (AB岗); agents 代办员 stand beside them; supervisor,
administrators and those who edit and publish items belong to none; some have a county, a town or a village only. `sx-
editor-2` may do both, never both with one item."""

BY_ID = {officer.id: officer for officer in OFFICERS}


CLOCKS: Final = ("window", "handler", "issuer", "supervisor")
"""Roles whose officers are told when a clock runs out."""


def telephone(id: str) -> str:
    """The telephone of this officer, invented as citizens' are."""
    return f"14499{list(BY_ID).index(id):06d}"


def phone_book() -> str:
    """The officers' phone book as the suite reads it (YAML, written as JSON)."""
    entries = [
        {
            "staff": officer.id,
            "unit": "*" if "supervisor" in officer.roles else officer.department,
            "roles": officer.roles,
            "area": officer.area,
            "phone": telephone(officer.id),
        }
        for officer in OFFICERS
        if set(officer.roles) & set(CLOCKS)
    ]
    return json.dumps({"officers": entries}, ensure_ascii=False, indent=1)


def officer_of(role: str, department: str = "", second: bool = False) -> Officer:
    """The first officer with this role (or the second, the stand-in), of that department if one is named.

    Raises LookupError when there is none.
    """
    found = [o for o in OFFICERS if role in o.roles and department in ("", o.department)]
    if len(found) <= second:
        raise LookupError(f"no {role} in {department or 'any department'}")
    return found[second]


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer of the suite: HTTP status, decoded body (None when it is no JSON) and the ETag, as sent."""

    status: int
    body: Any
    etag: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Office:
    """One officer at work. The token is fetched once and renewed a minute before it ends; the session is the
    caller's to close."""

    def __init__(
        self, session: aiohttp.ClientSession, suite: str, issuer: str, officer: Officer, secret: str = SECRET
    ) -> None:
        self.session, self.suite, self.issuer = session, suite.rstrip("/"), issuer.rstrip("/")
        self.officer = officer
        self._secret = secret
        self._token, self._until = "", 0.0

    async def token(self) -> str:
        """Raises aiohttp.ClientResponseError when the issuer refuses."""
        if time.monotonic() >= self._until:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.officer.id,
                "client_secret": self._secret,
            }
            async with self.session.post(f"{self.issuer}/token", data=form) as response:
                response.raise_for_status()
                granted = await response.json()
            self._token = str(granted["access_token"])
            self._until = time.monotonic() + float(granted["expires_in"]) - 60
        return self._token

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        etag: str = "",
        key: str = "",
        wait: float = 0,
    ) -> Heard:
        """Any request in the officer's name. `etag` goes into If-Match, `key` into Idempotency-Key, `wait` (seconds)
        into Prefer."""
        headers = {"Authorization": f"Bearer {await self.token()}"}
        if etag:
            headers["If-Match"] = etag
        if key:
            headers["Idempotency-Key"] = key
        if wait:
            headers["Prefer"] = f"wait={wait:g}"
        async with asked(self.session, method, self.suite + path, json=body, params=query, headers=headers) as response:
            raw = await response.read()
            shown = await response.json(content_type=None) if raw and "json" in response.content_type else None
            return Heard(response.status, shown, response.headers.get("ETag", ""))

    async def work(self, role: str, **query: str) -> Heard:
        """The worklist of a role: `GET /review/work`."""
        return await self.call("GET", "/review/work", query={"role": role, **query})

    async def decide(self, case: str, verb: str, body: Mapping[str, Any] | None = None, **more: Any) -> Heard:
        """`verb` is claim, pass, return, approve or deny; `more` as for `call`."""
        return await self.call("POST", f"/review/cases/{case}/{verb}", dict(body or {}), **more)

    async def window_work(self, **query: str) -> Heard:
        """What waits at the window: `GET /intake/work`."""
        return await self.call("GET", "/intake/work", query=query)

    async def check(self, case: str, verb: str, body: Mapping[str, Any] | None = None, **more: Any) -> Heard:
        """At the window: `verb` is accept, correct or refuse; `more` as for `call`."""
        return await self.call("POST", f"/intake/cases/{case}/{verb}", dict(body or {}), **more)
