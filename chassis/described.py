"""What `/docs` says beyond FastAPI's own reading of a route: refusals as problem+json, credentials, partners' pushes.

It describes and changes no answer; this module must never import a service, a store or a bus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
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
        "errors": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["rule", "message"]}},
    },
}
"""RFC 9457, with the rule and the field that were broken."""
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


def push(
    shape: Any,
    *,
    accepted: Mapping[str, Any],
    refused: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] = {},
) -> dict[str, Any]:
    """Keyword arguments for the route of a partner's push: the type of the body (a form where a field of it holds a
    document), the headers that sign it, the partner's words for success, and for a failure where it has such words."""
    schema = _inlined(shape)
    form = any("contentSchema" in field for field in schema.get("properties", {}).values())
    failure = {"content": {JSON: {"example": refused}}} if refused else {"content": _problem()}
    texts = {"400": "无法解析 unreadable", "401": "签名或地址无效 not authentic", "413": REFUSALS["413"]}
    return {
        "responses": {
            200: {"description": "收妥, 可以不再推送 taken", "content": {JSON: {"example": accepted}}},
            **{int(status): {"description": text, **failure} for status, text in texts.items()},
        },
        "openapi_extra": {
            "requestBody": {"required": True, "content": {FORM if form else JSON: {"schema": schema}}},
            "parameters": [
                {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": text}
                for name, text in headers.items()
            ],
            "security": [],
        },
    }


def holding(shape: Any) -> msgspec.Meta:
    """Of a text field: it holds JSON of this type."""
    return msgspec.Meta(extra_json_schema={"contentMediaType": JSON, "contentSchema": _inlined(shape)})


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
    for path in schema["paths"].values():
        for method, operation in path.items():
            if "security" in operation:  # a push says all of it itself, and has nothing that FastAPI validates
                operation["responses"].pop("422", None)
                continue
            parameters = operation.get("parameters", [])
            names = {parameter["name"].lower() for parameter in parameters}
            credentials: list[dict[str, list[str]]] = [
                {name: []} for header, (name, _) in CREDENTIALS.items() if header in names
            ]
            operation["parameters"] = [p for p in parameters if p["name"].lower() not in CREDENTIALS]
            operation["security"] = credentials
            possible = "400 404 422" + " 401 403 503" * bool(credentials) + " 409 412 413 428" * (method != "get")
            for status in possible.split():
                operation["responses"][status] = {"description": REFUSALS[status], "content": _problem()}
    components = schema.setdefault("components", {})
    components["securitySchemes"] = dict(CREDENTIALS.values())
    shapes = components.setdefault("schemas", {})
    shapes["Problem"] = PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        shapes.pop(unused, None)


def _problem() -> dict[str, Any]:
    return {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
