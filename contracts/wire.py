"""The wire form of an event: CloudEvents 1.0 in Kafka binary mode (`ce_*` headers, JSON body), W3C trace context; what
others say in structured mode (the whole envelope as JSON) is read as well.

It knows events and bytes only; it must never import a Kafka client, a store or a service.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

import contracts.courier
import contracts.evaluation
import contracts.intake
import contracts.notify
import contracts.portal
import contracts.review  # noqa: F401  (the publishers' modules fill the registry)
from contracts.event import REGISTRY, Event, Problem, brief, type_name

CONTENT_TYPE = "application/json"
STRUCTURED = "application/cloudevents+json"
LONGEST_ATTRIBUTE = 256
"""Characters of an id or a source: both are kept with the case, and repeated in the headers of answers."""
ENVELOPE: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
DATA: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))
"""What an envelope holds; written again as it was, so that the schema judges it as in binary mode."""
MOST_ERRORS = 5_000
"""Errors of one body that are looked at one by one; more are only counted, as naming them would take seconds."""


class Undecodable(Exception):
    """Bytes that are no event we know; `problems` names every field and rule, and repeats no value."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.field or '-'}: {p.rule}" for p in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event and what the transport says of it. `sequence` grows per publisher and subject; `cause` is the id of
    the message that led to it; `trace` a W3C traceparent."""

    id: str
    source: str
    sequence: int
    event: Event
    cause: str = ""
    trace: str = ""


def encode(envelope: Envelope) -> tuple[dict[str, str], bytes]:
    """The record headers and the body."""
    event = envelope.event
    headers = {
        "ce_specversion": "1.0",
        "ce_id": envelope.id,
        "ce_source": envelope.source,
        "ce_type": type_name(type(event)),
        "ce_subject": event.subject(),
        "ce_time": event.at.isoformat(),
        "ce_sequence": str(envelope.sequence),
        "content-type": CONTENT_TYPE,
    }
    if envelope.cause:
        headers["ce_causationid"] = envelope.cause
    if envelope.trace:
        headers["traceparent"] = envelope.trace
    return headers, event.model_dump_json(exclude_none=True).encode()


def event_type(headers: Mapping[str, str]) -> type[Event] | None:
    """The class that a record's headers name, or None; cheap, so that a subscriber can skip what it does not hear."""
    return REGISTRY.get(headers.get("ce_type", ""))


def binary(headers: Mapping[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    """The record in binary mode: as it is, or taken out of a structured envelope, whose attributes alone count then.

    Raises Undecodable for an envelope that cannot be read, and for batches, which CloudEvents does not have on Kafka.
    """
    media = headers.get("content-type", "")
    if media[:23].lower() != "application/cloudevents":
        return headers, body
    if media.partition(";")[0].strip().lower() != STRUCTURED:
        raise _undecodable("content_mode_unknown", "content-type", "只支持单个事件的 JSON 结构化模式")
    try:
        envelope = ENVELOPE.validate_json(body)
    except ValidationError:
        raise _undecodable("json_invalid", None, "不是合法的 JSON 对象") from None
    return _attributes(headers, envelope), _data(envelope)


def _attributes(headers: Mapping[str, str], envelope: dict[str, Any]) -> dict[str, str]:
    """Headers of the binary mode: what is no attribute of the envelope comes from the record."""
    found = {name: value for name, value in headers.items() if not name.startswith("ce_")}
    for name, value in envelope.items():
        if name in ("data", "data_base64", "datacontenttype") or value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _undecodable("attribute_invalid", name, "属性应为文本")
        found["traceparent" if name == "traceparent" else f"ce_{name}"] = str(value)
    found["content-type"] = str(envelope.get("datacontenttype", CONTENT_TYPE))
    return found


def _data(envelope: dict[str, Any]) -> bytes:
    if "data_base64" not in envelope:
        return DATA.dump_json(envelope["data"]) if "data" in envelope else b""
    try:
        return base64.b64decode(envelope["data_base64"], validate=True)
    except (ValueError, TypeError):
        raise _undecodable("base64_invalid", "data_base64", "不是合法的 Base64") from None


def _undecodable(rule: str, field: str | None, message: str) -> Undecodable:
    return Undecodable((Problem(rule=rule, field=field, message=message),))


def decode(headers: Mapping[str, str], body: bytes) -> Envelope:
    """The envelope of a record in either mode. Readers are tolerant: fields added by a later writer are ignored.

    Raises Undecodable for a missing, unknown or unusable attribute, malformed JSON, or a body that breaks the schema.
    """
    headers, body = binary(headers, body)
    cls = event_type(headers)
    missing = [name for name in ("ce_specversion", "ce_id", "ce_source", "ce_type") if not headers.get(name)]
    if missing:
        raise Undecodable(tuple(Problem(rule="header_missing", field=n, message="缺少消息头") for n in missing))
    if headers["ce_specversion"] != "1.0":
        raise _undecodable("specversion_unknown", "ce_specversion", "只支持 1.0")
    if cls is None:
        raise _undecodable("type_unknown", "ce_type", "未知的事件类型")
    id, source = headers["ce_id"], headers["ce_source"]
    for name, value in (("ce_id", id), ("ce_source", source)):
        # Bytes that were no text have become U+FFFD, and ids that differ in them alone would look the same.
        if len(value) > LONGEST_ATTRIBUTE or not value.isprintable() or "\ufffd" in value:
            raise _undecodable("attribute_invalid", name, f"应为不超过 {LONGEST_ATTRIBUTE} 个字符的文本")
    if " " in source:
        raise _undecodable("attribute_invalid", "ce_source", "应为 URI, 不含空格")
    try:
        event = cls.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        raise Undecodable(problems_of(error)) from None
    sequence = headers.get("ce_sequence", "0")
    return Envelope(
        id=id,
        source=source,
        sequence=int(sequence) if sequence.isdecimal() and len(sequence) < 19 else 0,
        event=event,
        cause=headers.get("ce_causationid", ""),
        trace=headers.get("traceparent", ""),
    )


def problems_of(error: ValidationError) -> tuple[Problem, ...]:
    """Every problem of a validation error by field and rule, as far as an answer can hold them (see `brief`); values
    are left out, since they may be personal."""
    if (count := error.error_count()) > MOST_ERRORS:
        return (Problem(rule="more_problems", message=f"共 {count} 处问题, 过多而未逐一列出"),)
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return brief(
        tuple(
            Problem(
                rule=e["type"],
                field=".".join(str(part) for part in e["loc"]) or None,
                message=MESSAGES.get(e["type"], "格式不正确"),
            )
            for e in found
        )
    )


MESSAGES = {
    "missing": "必填项缺失",
    "json_invalid": "不是合法的 JSON",
    "utf8_invalid": "不是 UTF-8 文本",
    "value_error": "格式不正确",
    "extra_forbidden": "未定义的字段",
    "string_type": "应为文本",
    "string_unicode": "含有半个字符(孤立的代理码位)",
    "int_parsing": "应为整数",
    "int_parsing_size": "数值过大",
    "int_type": "应为整数",
    "int_from_float": "应为整数",
    "float_parsing": "应为数字",
    "float_type": "应为数字",
    "bool_parsing": "应为 true 或 false",
    "bool_type": "应为 true 或 false",
    "dict_type": "应为一组字段",
    "model_type": "应为一组字段",
    "model_attributes_type": "应为一组字段",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "enum": "不在允许的取值之内",
    "literal_error": "不在允许的取值之内",
    "string_pattern_mismatch": "格式不符合要求",
    "string_too_long": "文本过长",
    "string_too_short": "文本过短",
    "too_long": "内容过多",
    "too_short": "内容过少",
    "greater_than": "数值过小",
    "greater_than_equal": "数值过小",
    "less_than": "数值过大",
    "less_than_equal": "数值过大",
    "date_type": "应为日期",
    "date_parsing": "应为日期",
    "date_from_datetime_parsing": "应为日期",
    "date_from_datetime_inexact": "应为日期",
    "timezone_aware": "时间必须带时区",
    "datetime_type": "不是合法的时间",
    "datetime_from_date_parsing": "不是合法的时间",
    "datetime_parsing": "不是合法的时间",
}
"""The sentence of each rule that a field can break by itself; `contracts.english` has them in English."""
