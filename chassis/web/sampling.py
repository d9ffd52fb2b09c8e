"""Examples for `/docs`, made of the schema: the samples of its fields where they have some, else what their type says.

A document goes in, a value comes out; this module must never import anything of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FORMATS: Final = {"date": "2026-02-12", "date-time": "2026-02-12T09:30:00+08:00"}
PLAIN: Final[Mapping[str, Any]] = {"boolean": False, "null": None, "number": 1.5}


def sampled(schema: Mapping[str, Any], shapes: Mapping[str, Any], name: str = "") -> Any:
    """A value of this JSON Schema. `shapes` are the schemas of the document's components, `name` that of the field."""
    if "$ref" in schema and "examples" not in schema:
        return sampled(shapes[schema["$ref"].rpartition("/")[2]], shapes, name)
    for told in ("examples", "enum"):
        if schema.get(told):
            return schema[told][0]
    for told in ("const", "default"):
        if schema.get(told) is not None:
            return schema[told]
    if "anyOf" in schema:
        return sampled(schema["anyOf"][0], shapes, name)
    return _typed(schema, shapes, name)


def _typed(schema: Mapping[str, Any], shapes: Mapping[str, Any], name: str) -> Any:
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        fields = schema.get("properties", {})
        return {field: sampled(inner, shapes, field) for field, inner in fields.items()}
    if kind == "array":
        parts = schema.get("prefixItems") or [schema["items"]] * max(1, schema.get("minItems", 1))
        return [sampled(part, shapes, name) for part in parts]
    if kind == "integer":
        return max(1, schema.get("minimum", 1))
    if kind == "string":
        return FORMATS.get(schema.get("format", ""), name)
    return PLAIN[kind]
