"""Holds every answer that a test hears against what `/openapi.json` says of it: status, kind, every field of its shape.

It listens to a client and asks nothing; what is no route of the description is none of its business.
"""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import jsonschema
from yarl import URL

from chassis.run.suite import Build, Suite, discover
from chassis.settings import ChassisSettings

JSON = "application/json"
Schema = dict[str, Any]


@functools.cache
def document(*names: str) -> Schema:
    """What a process with these services says of its routes; with all of them where none is named."""
    builds = discover()
    return described({name: builds[name] for name in names or builds})


def described(builds: Mapping[str, Build]) -> Schema:
    """What a process with these services says of its routes."""
    with tempfile.TemporaryDirectory() as directory:
        settings = ChassisSettings(dir=Path(directory), sandbox=True, oidc_issuer="http://127.0.0.1:1")
        found: Schema = Suite(settings, {}, builds).app.openapi()
        return found


def closed(node: Any) -> Any:
    """The same schema, in which an object has no other fields than those that it names."""
    if isinstance(node, list):
        return [closed(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    found = {key: closed(inner) for key, inner in node.items()}
    if found.get("type") == "object" and isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


class Conforming(aiohttp.TraceConfig):
    """A client that is given this fails its test when an answer from `url` is not as described. `heard` counts answers
    by operation."""

    def __init__(self, url: str, names: Iterable[str] = ()) -> None:
        super().__init__()
        self.url, self.names = URL(url), tuple(names)
        self.heard: dict[str, int] = {}
        self._routes: list[tuple[re.Pattern[str], Schema]] = []
        self._validators: dict[str, Any] = {}
        self.on_request_end.append(self._ended)
        self.on_response_chunk_received.append(self._read)

    async def _ended(self, session: Any, context: SimpleNamespace, told: aiohttp.TraceRequestEndParams) -> None:
        context.answer = told.response

    async def _read(
        self, session: Any, context: SimpleNamespace, told: aiohttp.TraceResponseChunkReceivedParams
    ) -> None:
        answer = getattr(context, "answer", None)
        if answer is not None and answer.url.origin() == self.url.origin() and answer.method != "HEAD":
            self.look(answer.method, answer.url.raw_path, answer.status, answer.content_type, told.chunk)

    def look(self, method: str, path: str, status: int, kind: str, body: bytes) -> None:
        """Raises AssertionError naming the operation and what is wrong, without what was answered."""
        operation = next((ways[method.lower()] for way, ways in self._known() if way.fullmatch(path)
                          if method.lower() in ways), None)  # fmt: skip
        if operation is None:
            return
        name = operation["operationId"]
        self.heard[name] = self.heard.get(name, 0) + 1
        assert str(status) in operation["responses"] or status >= 500, f"{name} may not answer {status}"
        content = operation["responses"].get(str(status), {}).get("content", {})
        if kind != JSON or not content:
            assert kind in content or not body or "*/*" in content or status >= 500, f"{name}: {status} as {kind}"
            return
        for error in self._validator(name, status, content[JSON]["schema"]).iter_errors(json.loads(body)):
            raise AssertionError(f"{name}: {status} {error.json_path}: {error.validator} {list(error.schema_path)}")

    def _known(self) -> list[tuple[re.Pattern[str], Schema]]:
        if not self._routes:
            for path, ways in document(*self.names)["paths"].items():
                pattern = "[^/]+".join(re.escape(part) for part in re.split(r"\{[a-z_]+\}", path))
                self._routes.append((re.compile(pattern), ways))
        return self._routes

    def _validator(self, name: str, status: int, schema: Schema) -> Any:
        key = f"{name} {status}"
        if key not in self._validators:
            parts = _closed_parts(*self.names)
            self._validators[key] = jsonschema.Draft202012Validator({**closed(schema), "components": parts})
        return self._validators[key]


@functools.cache
def _closed_parts(*names: str) -> Schema:
    found: Schema = closed(document(*names)["components"])
    return found
