"""What `/docs` says beyond FastAPI's own reading of a route: refusals as problem+json, credentials, partners' pushes.

It describes and changes no answer; this module must never import a service, a store or a bus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from types import UnionType
from typing import Any, Final, Literal, get_args

import msgspec
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from pydantic import TypeAdapter

from chassis.pushing import FORM, JSON
from chassis.web.sampling import sampled

VERSION: Final = version("tongban")
ABOUT: Final = """通办: 收件, 审批, 短信, 寄递, 好差评 — five services joined by events, one description.

What is refused is refused as `application/problem+json` (RFC 9457) with a rule, a field and a sentence for each fault.
A document's version is its `ETag`; who sends it back as `If-Match` changes nothing that has changed in between. A
command with an `Idempotency-Key` is carried out once. `Prefer: wait=5` waits for a document that an event on its way
will found."""
LICENCE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
TAGS: Final = {
    "intake": "收件: portals apply, the window checks, everybody reads how far a case is; catalogue and material store",
    "review": "审批: worklists, steps and decisions of officers",
    "notify": "通知: templates, and what the providers of messages push",
    "courier": "寄递: parcels, hand-over lists and settlements, and what courier partners push",
    "evaluation": "好差评与效能监察: ratings, clocks and journals of cases",
    "operators": "运维: dead letters and stored documents, for the role `operator`",
    "suite": "平台: health, metrics and the legal clock",
}
REFERENCE: Final = "#/components/schemas/"
PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "rule", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "rule": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["rule", "message"],
                "properties": {
                    "rule": {"type": "string"},
                    "field": {"type": ["string", "null"]},
                    "message": {"type": "string"},
                },
            },
        },
    },
    "title": "Problem",
    "description": "What was refused, by which rule; `errors` names every field that is wrong.",
    "examples": [
        {
            "type": "urn:tongban:problem:missing",
            "title": "内容不符合规定",
            "status": 422,
            "detail": "必填项缺失",
            "rule": "missing",
            "field": "applicant.name",
            "errors": [{"rule": "missing", "field": "applicant.name", "message": "必填项缺失"}],
        }
    ],
}
"""RFC 9457, with the rule and the field that were broken."""
BESIDE: Final = {name: PROBLEM["properties"][name] for name in ("rule", "errors")}  # type: ignore[index]
"""What may stand beside a partner's own words for a failure."""
CREDENTIALS: Final = {
    "authorization": ("officer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}),
    "x-api-key": ("portal", {"type": "apiKey", "in": "header", "name": "X-Api-Key"}),
}
"""Header parameter of a dependency -> name and security scheme; OpenAPI wants no parameter for it."""
REFUSALS: Final = {
    "400": "无法解析 malformed JSON, header or cursor",
    "401": "凭证缺失或无效 no valid credential",
    "403": "没有权限 not this caller's to do",
    "404": "没有找到 nothing of this name",
    "409": "与当前状态冲突 not in this state",
    "412": "内容已有变化 not the version named in If-Match",
    "413": "内容过大 body too large",
    "422": "内容不符合规定 breaks a rule; `errors` names fields and rules",
    "428": "须注明所见版本 If-Match is missing",
    "503": "暂时不可用 try again",
}
HEADERS: Final[Mapping[str, Any]] = {
    "401": {"WWW-Authenticate": {"description": "officers: Bearer", "schema": {"type": "string"}}},
    "503": {"Retry-After": {"description": "seconds, where they are known", "schema": {"type": "integer"}}},
}
"""Of refusals. A header of ours that is not required may be missing."""


SHAPES: Final[dict[str, Any]] = {}
"""What routes answer with, by name, for whoever asks what it looks like."""


def shape(of: Any) -> dict[str, Any]:
    """The schema of an answer, by name: a TypedDict, a model, or some of them. Raises ValueError where two of them have
    one name, for then no document could hold both."""
    if isinstance(of, UnionType):
        return {"anyOf": [shape(one) for one in get_args(of)]}
    if SHAPES.setdefault(of.__name__, of).__module__ != of.__module__:
        raise ValueError(f"two shapes are named {of.__name__}")
    return {"$ref": f"{REFERENCE}{of.__name__}"}


def operation(route: Any) -> str:
    """The id of an operation, from which generators name functions: `intake_submit`; of no service, its name alone."""
    service, _, rest = route.path_format.lstrip("/").partition("/")
    return f"{service}_{route.name}" if rest else str(route.name)


def push(
    body: Any,
    *,
    media: str,
    accepted: Mapping[str, Any],
    refused: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] = {},
) -> dict[str, Any]:
    """Keyword arguments for the route of a partner's push: the type of the body and how it is encoded (JSON or FORM),
    the headers that sign it, the partner's words for success, and for a failure where it has such words."""
    failure = {"content": {JSON: _shown(refused, accepted, BESIDE)} if refused else _problem()}
    texts = {"400": "无法解析 unreadable", "401": "签名或地址无效 not authentic", "413": REFUSALS["413"]}
    return {
        "responses": {
            200: {"description": "收妥, 可以不再推送 taken", "content": {JSON: _shown(accepted, refused or {})}},
            **{int(status): {"description": text, **failure} for status, text in texts.items()},
            503: {**_refusal("503"), "content": {**failure["content"], **_problem()}},
        },
        "openapi_extra": {
            "requestBody": {"required": True, "content": {media: {"schema": _inlined(body)}}},
            "parameters": [
                {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": text}
                for name, text in headers.items()
            ],
            "security": [],
        },
    }


def xml_push(
    *, accepted: str, queries: Mapping[str, str], sample: str = "", refusals: str = "400 401 413 503"
) -> dict[str, Any]:
    """The same of a partner that signs by its query and hears plain text; `sample` is a body, where there is one."""
    extra: dict[str, Any] = {
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "description": told}
            for name, told in queries.items()
        ],
        "security": [],
    }
    if sample:
        content = {"text/xml": {"schema": {"type": "string"}, "example": sample}}
        extra["requestBody"] = {"required": True, "content": content}
    heard = {"text/plain": {"schema": {"type": "string"}, "example": accepted}}
    return {
        "response_class": PlainTextResponse,
        "responses": {
            200: {"description": "收妥, 可以不再推送 taken", "content": heard},
            **{int(status): {"description": REFUSALS[status], "content": _problem()} for status in refusals.split()},
        },
        "openapi_extra": extra,
    }


def text(description: str, *, media: str = "text/plain") -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers 200 with text or bytes of another kind than JSON."""
    return {200: {"description": description, "content": {media: {"schema": {"type": "string"}}}}}


def sample(example: Any) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route whose answers look like this, where the schema itself has no samples."""
    return {200: {"content": {JSON: {"example": example}}}}


def unhealthy(of: Any) -> dict[int | str, dict[str, Any]]:
    """`responses` of a probe, which says no in the same shape."""
    return {503: {"content": {JSON: {"schema": shape(of)}}, "description": "不能 no"}}


def refusals(*statuses: str) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route of no service, which refuses with these."""
    return {int(status): _refusal(status) for status in statuses}


def _shown(words: Mapping[str, Any], other: Mapping[str, Any], more: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A partner's own words as an example, and as the schema of all such words: a word may be of the kind that it has
    in the other answer, too. `more` are words of ours that may stand beside, with their schemas."""
    names = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", type(None): "null"}
    fields: dict[str, Any] = dict(more)
    for word, value in words.items():
        kinds = list(dict.fromkeys(names[type(it)] for it in (value, other.get(word, value))))
        fields[word] = {"type": kinds if kinds[1:] else kinds[0], **({"items": {}} if "array" in kinds else {})}
    return {"example": words, "schema": {"type": "object", "properties": fields}}


def holding(shape: Any, sample: str) -> msgspec.Meta:
    """Of a text field: it holds JSON of this type, such as the sample."""
    return msgspec.Meta(
        examples=[sample], extra_json_schema={"contentMediaType": JSON, "contentSchema": _inlined(shape)}
    )


def _inlined(shape: Any) -> dict[str, Any]:
    """The JSON Schema of a type that does not contain itself, in one piece."""
    (whole,), parts = msgspec.json.schema_components([shape], ref_template="{name}")

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolved(parts[node["$ref"]])
            return {key: resolved(value) for key, value in node.items()}
        return [resolved(item) for item in node] if isinstance(node, list) else node

    found: dict[str, Any] = resolved(whole)
    return found


def describe(app: FastAPI) -> None:
    """Has the application serve the description with what FastAPI cannot know."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain())
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {})
    components["securitySchemes"] = dict(CREDENTIALS.values())
    shapes = components.setdefault("schemas", {})
    for name, found in _answers(schema["paths"]).items():
        if shapes.setdefault(name, found) != found:
            raise ValueError(f"an answer and a body are named {name} and differ")
    shapes["Problem"] = PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        shapes.pop(unused, None)
    for path, operations in schema["paths"].items():
        for method, one in operations.items():
            if path.count("/") > 1:
                _refusing(one, method)
                if one["tags"] == ["operators"]:
                    one["summary"] += f" · {path.split('/')[1]}"
            else:
                one["security"] = []
                if "422" in one["responses"]:
                    one["responses"]["422"] = _refusal("422")
            for content in one.get("requestBody", {}).get("content", {}).values():
                if content["schema"].get("anyOf", [])[1:] == [{"type": "null"}]:  # who has nothing to say sends nothing
                    content["schema"] = content["schema"]["anyOf"][0]
            for content in _contents(one):
                if "example" not in content:
                    content["example"] = sampled(content["schema"], shapes)


def _answers(paths: dict[str, Any]) -> dict[str, Any]:
    """The components of all answers that the paths name, and of what these are made of."""
    named = {part.removeprefix(REFERENCE) for part in _references(paths)}
    mode: Literal["validation"] = "validation"
    adapters = [(name, mode, TypeAdapter(SHAPES[name])) for name in sorted(named & SHAPES.keys())]
    tops, rest = TypeAdapter.json_schemas(adapters, ref_template=f"{REFERENCE}{{model}}")
    found: dict[str, Any] = rest.get("$defs", {})
    for (name, _), top in tops.items():
        if top != {"$ref": f"{REFERENCE}{name}"}:
            found[name] = top
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, inner in node.items():
            if key == "$ref":
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def _refusing(operation: dict[str, Any], method: str) -> None:
    """What a route of a service may refuse; a push says all of it itself, and has nothing that FastAPI validates."""
    if operation.get("security") == []:
        operation["responses"].pop("422", None)
        return
    parameters = operation.get("parameters", [])
    names = {parameter["name"].lower() for parameter in parameters}
    credentials: list[dict[str, list[str]]] = [
        {name: []} for header, (name, _) in CREDENTIALS.items() if header in names
    ]
    demanded = {p["name"].lower() for p in parameters if p["required"]}
    operation["parameters"] = [
        p
        for p in parameters
        if (lower := p["name"].lower()) not in CREDENTIALS and (p["required"] or lower not in demanded)
    ]
    operation["security"] = credentials
    changes = method not in ("get", "head")
    possible = "400 404 422" + " 401 403" * bool(credentials) + " 409 412 413 428" * changes
    possible += " 503" * (changes or bool(credentials))
    for status in possible.split():
        operation["responses"][status] = _refusal(status)


def _refusal(status: str) -> dict[str, Any]:
    found = {"description": REFUSALS[status], "content": _problem()}
    return {**found, "headers": HEADERS[status]} if status in HEADERS else found


def _contents(operation: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Every JSON that the operation takes or gives, but for problems, which have one example for all."""
    said = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [it["content"][kind] for it in said for kind in (JSON, FORM) if kind in it.get("content", {})]


def _problem() -> dict[str, Any]:
    return {"application/problem+json": {"schema": {"$ref": f"{REFERENCE}Problem"}}}
