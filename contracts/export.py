"""Generates what portals and operators read instead of Python (`python -m contracts.export [--check]`).

JSON Schemas, AsyncAPI, the list of topics: from event classes only; this module must never import a service or a bus.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from contracts import wire, words
from contracts.event import REGISTRY, About, Event, case_topic, codec, kept_days, type_name

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
PARTITIONS: Final = 8
PORTALS: Final = ("demo",)
DAY: Final = 24 * 3600 * 1000

Json = dict[str, Any]


def events() -> dict[str, type[Event]]:
    """Every event version of this package by short name (`accepted.v1`), in alphabetical order. Events that a service
    declares for itself (notes between its documents) are no contract and stay out."""
    own = (cls for cls in REGISTRY.values() if cls.__module__.partition(".")[0] == "contracts")
    return dict(sorted((type_name(cls).removeprefix("tongban."), cls) for cls in own))


# ------------------------------------------------------------------------------------------------------ JSON Schema


class Plain(GenerateJsonSchema):
    """Without a title for every field, which only repeats its name."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema(cls: type[Event]) -> Json:
    """The JSON Schema of one event version as its writer must write it: closed, every undeclared field an error.
    Closed lists carry their Chinese labels as `x-labels-zh`."""
    body: Json = cls.model_json_schema(schema_generator=Plain)
    for name, definition in body.get("$defs", {}).items():
        word = getattr(words, name, None)
        if isinstance(word, type) and issubclass(word, words.Word):
            definition["x-labels-zh"] = {member.value: member.label_zh for member in word}
    return {"$schema": DIALECT, "$id": f"urn:tongban:schema:{cls.TYPE}.v{cls.VERSION}", **body}


# -------------------------------------------------------------------------------------------------- AsyncAPI and topics


def routes(cls: type[Event]) -> tuple[tuple[str, str], ...]:
    """The topics and keys of an event as templates, such as `("answers.{portal}", "{submission}")`."""
    blanks: Json = {"portal": "{portal}", "submission": "{submission}", "staff": "{staff}"}
    blanks |= {"case": "{case}", "about": About.model_construct(**blanks)}
    return cls.model_construct(**blanks).routes()


def publishers() -> list[str]:
    """The services that say something, in alphabetical order; portals are no service."""
    return sorted({cls.PUBLISHER for cls in events().values()} - {"portal"})


ADDRESSES: Final = {
    "case": "case.{service}",
    "portal": "portal.{portal}",
    "answers": "answers.{portal}",
    "dead": "{service}.dead",
}

MEANINGS: Final = {
    "case": "办件事件: what one service says of cases, in order per case; nobody else may write there. Record key: the "
    "case id; the staff id where review says who stands in for an officer.",
    "portal": "门户提交: what one portal says; nobody else may write there, and only intake reads it. It holds plain "
    "personal data, so retention is short. Record key: the submission id.",
    "answers": "答复门户: receipts, refusals and every change of public state, without personal data. The broker "
    "keeps it in gzip, which every client reads. Record key: the submission id.",
    "dead": "死信: messages that a service set aside, with their provenance in `tb_` headers, for operators. "
    "Record key: that of the message.",
}

KEYS: Final = {"{case}": "case id", "{staff}": "staff id", "{submission}": "submission id of the portal"}


def text(description: str, **more: Any) -> Json:
    return {"type": "string", "description": description, **more}


def headers() -> Json:
    """The headers of a record in CloudEvents 1.0 Kafka binary mode."""
    required = {
        "ce_specversion": text("CloudEvents version", const="1.0"),
        "ce_id": text("Event id; the same event said again has the same source and id, and is dropped", minLength=1),
        "ce_source": text("Who says it: `/tongban/<service>`, or a URI of the portal's own", minLength=1),
        "ce_type": text("`tongban.<type>.v<version>`", pattern=r"^tongban\.[a-z_]+\.v[0-9]+$"),
    }
    optional = {
        "ce_subject": text("Case id, submission id on portals' topics, or staff id"),
        "ce_time": text("Legal time of the event", format="date-time"),
        "ce_sequence": text("Grows per publisher and subject", pattern=r"^[0-9]{1,18}$"),
        "ce_causationid": text("Id of the message that led to this one"),
        "content-type": text("Media type of the body", const=wire.CONTENT_TYPE),
        "traceparent": text("W3C trace context"),
    }
    return {"type": "object", "required": list(required), "properties": required | optional}


def dead_headers() -> Json:
    """The headers that a dead letter carries beside those of the message itself."""
    added = {
        "tb_topic": text("Topic it was read from, or was to be said on"),
        "tb_partition": text("Partition it was read from", pattern=r"^[0-9]+$"),
        "tb_offset": text("Offset it was read at", pattern=r"^[0-9]+$"),
        "tb_rule": text("Rule it breaks"),
        "tb_problem": text("Fields and rules, no values"),
        "tb_size": text("Bytes of a body that is too large to be repeated here", pattern=r"^[0-9]+$"),
        "tb_document": text("`<kind>/<id>` of the document that says it, where the bus will never take an event"),
        "tb_kind": text("Kind of document, where an alarm failed instead of a message"),
    }
    return {"type": "object", "required": ["tb_rule", "tb_problem"], "properties": added}


def kafka(**binding: Any) -> Json:
    return {"kafka": {**binding, "bindingVersion": "0.5.0"}}


def asyncapi() -> Json:
    """The AsyncAPI 3.0 document, seen from Tongban: it sends what services say and receives what portals say."""
    members: dict[str, list[str]] = {name: [] for name in ADDRESSES}
    says: dict[tuple[str, str], list[str]] = {}
    for name, cls in events().items():
        for topic, _ in routes(cls):
            kind = topic.partition(".")[0]
            members[kind].append(name)
            says.setdefault((cls.PUBLISHER, kind), []).append(name)
    members["dead"] = ["dead_letter"]
    says[("services", "dead")] = ["dead_letter"]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tongban 通办",
            "version": "1.0.0",
            "description": "Events of the government-services suite: CloudEvents 1.0, Kafka binary mode, JSON bodies "
            "(structured mode with JSON is read as well). "
            "Delivery is at least once: drop an event whose `ce_source` and `ce_id` you have seen. Writers are closed, "
            "readers must ignore fields that they do not know.",
        },
        "defaultContentType": wire.CONTENT_TYPE,
        "channels": {name: channel(name, members[name]) for name in ADDRESSES},
        "operations": {
            f"{publisher}.{name}": operation(publisher, name, said) for (publisher, name), said in sorted(says.items())
        },
        "components": {
            "messages": {name: message(name, cls) for name, cls in events().items()} | {"dead_letter": dead_letter()},
            "schemas": {"headers": headers(), "dead_headers": dead_headers()},
        },
    }


def channel(name: str, messages: Iterable[str]) -> Json:
    address = ADDRESSES[name]
    retention = {"cleanup.policy": ["delete"], "retention.ms": kept_days(name) * DAY}
    found: Json = {
        "address": address,
        "description": MEANINGS[name],
        "messages": {m: {"$ref": f"#/components/messages/{m}"} for m in messages},
        "bindings": kafka(partitions=PARTITIONS, topicConfiguration=retention),
    }
    if "{portal}" in address:
        found["parameters"] = {"portal": {"description": "Name of the portal", "examples": list(PORTALS)}}
    if "{service}" in address:
        found["parameters"] = {"service": {"description": "Name of the service", "enum": publishers()}}
    return found


def operation(publisher: str, name: str, messages: Iterable[str]) -> Json:
    portal = publisher == "portal"
    return {
        "action": "receive" if portal else "send",
        "title": f"What {'a portal' if portal else publisher} says on {ADDRESSES[name]}",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{m}"} for m in messages],
        **({"bindings": kafka(groupId={"type": "string", "const": "intake"})} if portal else {}),
    }


def message(name: str, cls: type[Event]) -> Json:
    """One event version. Its key differs by topic, where it travels on two."""
    keys = list(dict.fromkeys(KEYS[key] for _, key in routes(cls)))
    own_type = {"properties": {"ce_type": {"const": type_name(cls)}}}
    return {
        "name": type_name(cls),
        "title": cls.__name__,
        "summary": (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " "),
        "contentType": wire.CONTENT_TYPE,
        "headers": {"allOf": [{"$ref": "#/components/schemas/headers"}, own_type]},
        "payload": {"$ref": f"./{name}.json"},
        "bindings": kafka(key=text(", or ".join(keys))),
    }


def dead_letter() -> Json:
    return {
        "name": "dead_letter",
        "title": "Dead letter",
        "summary": "A message set aside: its headers, and its body as it came (unless it is large), readable or not.",
        "contentType": "application/octet-stream",
        "headers": {"$ref": "#/components/schemas/dead_headers"},
        "bindings": kafka(key=text("Key of the message")),
    }


def keys_on(topic: str) -> list[str]:
    """What the record keys on a service's own topic are, in words."""
    return sorted({KEYS[key] for cls in events().values() for name, key in routes(cls) if name == topic})


def topics(
    services: Iterable[str] = (), noting: Iterable[str] = (), portals: Iterable[str] = PORTALS
) -> dict[str, Json]:
    """Every topic of an installation: partitions, record key, configuration. `services` beside the publishers are
    those that only listen, and have dead letters too; `noting` are those whose documents send each other notes."""
    keys = {topic: ", or ".join(keys_on(topic)) for topic in map(case_topic, publishers())}
    for portal in portals:
        keys |= dict.fromkeys((f"portal.{portal}", f"answers.{portal}"), KEYS["{submission}"])
    keys |= {f"{service}.dead": "key of the message" for service in {*publishers(), *services}}
    keys |= {f"{service}.notes": "id of the document written to" for service in noting}
    return {name: {"partitions": PARTITIONS, "key": keys[name], **configuration(name)} for name in sorted(keys)}


def configuration(topic: str) -> Json:
    """What a topic's own settings at the broker are. The broker's own time of each record is what readers of several
    topics put them in order by."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": kept_days(topic) * DAY,
        "compression.type": codec(topic),
        "message.timestamp.type": "LogAppendTime",
    }


def topics_yaml(found: Mapping[str, Json]) -> str:
    """The list as YAML, for those who declare topics; flat enough to be written without a library."""
    lines = [
        "# Generated: python -m contracts.export. Replication and minimal in-sync replicas suit a cluster of three.",
        "# A portal beside these needs portal.<name> and answers.<name> with the same values.",
        "replication: 3",
        "min.insync.replicas: 2",
        "topics:",
    ]
    for name, values in found.items():
        lines += [f"  - name: {name}", *(f"    {key}: {value}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


# ----------------------------------------------------------------------------------------------------- compatibility

ANNOTATIONS: Final = frozenset(
    {"title", "description", "examples", "deprecated", "$schema", "$id", "$defs", "$comment"}
)
NESTED: Final = frozenset({"properties", "required", "items", "prefixItems", "anyOf", "oneOf", "allOf"})


def breaking_changes(old: Json, new: Json) -> list[str]:
    """What in `new` an old reader could not read, or what old bytes `new` could not read: one line each, sorted.

    Only a field that may be missing can be added. Everything else (a field removed, renamed, made necessary or
    unnecessary, another type, pattern, range, default, a word more or less in a closed list) needs a new version:
    readers ignore fields that they do not know, but refuse words that they do not know.
    """
    return sorted(set(_breaks("$", old, new, old.get("$defs", {}), new.get("$defs", {}))))


def _breaks(path: str, old: Any, new: Any, old_defs: Json, new_defs: Json) -> Iterator[str]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if old != new:
            yield f"{path}: {old} became {new}"
        return
    old, new = _resolved(old, old_defs), _resolved(new, new_defs)
    for word in sorted((old.keys() | new.keys()) - ANNOTATIONS - NESTED):
        if word.startswith("x-"):
            continue
        if word == "enum" and "enum" in old and "enum" in new:
            yield from (f"{path}: lost the word {value}" for value in old["enum"] if value not in new["enum"])
            yield from (f"{path}: gained the word {value}" for value in new["enum"] if value not in old["enum"])
        elif word == "additionalProperties" and isinstance(old.get(word), dict):
            yield from _breaks(f"{path}.*", old[word], new.get(word), old_defs, new_defs)
        elif word == "pattern" and _ecma(old.get(word)) == _ecma(new.get(word)):
            continue
        elif old.get(word) != new.get(word):
            yield f"{path}: {word} {old.get(word)} became {new.get(word)}"
    before, after = old.get("properties", {}), new.get("properties", {})
    must, must_now = set(old.get("required", ())), set(new.get("required", ()))
    yield from (f"{path}.{name}: removed" for name in before.keys() - after.keys())
    yield from (f"{path}.{name}: new and necessary" for name in (after.keys() - before.keys()) & must_now)
    for name in before.keys() & after.keys():
        if (name in must) != (name in must_now):
            yield f"{path}.{name}: {'no longer' if name in must else 'now'} necessary"
        yield from _breaks(f"{path}.{name}", before[name], after[name], old_defs, new_defs)
    if ("items" in old) or ("items" in new):
        yield from _breaks(f"{path}[]", old.get("items"), new.get("items"), old_defs, new_defs)
    for word in ("prefixItems", "anyOf", "oneOf", "allOf"):
        left, right = old.get(word, []), new.get(word, [])
        if len(left) != len(right):
            yield f"{path}: {word} has {len(right)} instead of {len(left)} parts"
        for number, (one, other) in enumerate(zip(left, right, strict=False)):
            yield from _breaks(f"{path}({number})", one, other, old_defs, new_defs)


def _ecma(pattern: str | None) -> str | None:
    """A pattern in the dialect of JSON Schema (ECMA-262), whose `\\d` is `[0-9]` and nothing else."""
    return None if pattern is None else pattern.replace(r"\d", "[0-9]")


def _resolved(part: Json, defs: Json) -> Json:
    """A schema with its local reference followed; where definitions stand is no part of the contract."""
    while "$ref" in part:
        rest = {key: value for key, value in part.items() if key != "$ref"}
        part = {**defs[part["$ref"].removeprefix("#/$defs/")], **rest}
    return part


# ------------------------------------------------------------------------------------------------------------- files


def outputs(root: Path) -> dict[Path, str]:
    """Every generated file below `root` (the folder that holds `contracts/`) with the text it must have.

    `deploy/topics.yaml` belongs to them in the suite's repository only, not where this package is installed alone.
    """
    schemas = root / "contracts" / "schemas"
    found = {schemas / f"{name}.json": dumped(schema(cls)) for name, cls in events().items()}
    found[schemas / "asyncapi.json"] = dumped(asyncapi())
    if (root / "deploy").is_dir():
        services = sorted(app.parent.name for app in root.glob("services/*/app.py"))
        noting = [name for name in services if speaks_notes(root / "services" / name, name)]
        found[root / "deploy" / "topics.yaml"] = topics_yaml(topics(services, noting))
    return found


def speaks_notes(folder: Path, service: str) -> bool:
    """Whether a service declares notes between its documents, read from its text: contracts import no service."""
    return any(f'"{service}.notes"' in module.read_text("utf-8") for module in folder.rglob("*.py"))


def dumped(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def stale(root: Path) -> list[str]:
    """Names of generated files that are missing, differ, or belong to no event version any more; sorted."""
    wanted = outputs(root)
    differ = {path for path, content in wanted.items() if not path.exists() or path.read_text("utf-8") != content}
    left = set((root / "contracts" / "schemas").glob("*")) - wanted.keys()
    return sorted(path.relative_to(root).as_posix() for path in differ | left)


def main(argv: list[str] | None = None, root: Path | None = None) -> int:
    """Exit code 1 when `--check` finds stale files, whose names it prints. `root` holds `contracts/`."""
    root = root or Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(prog="python -m contracts.export", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that are not current")
    if parser.parse_args(argv).check:
        names = stale(root)
        print("\n".join(names), end="\n" if names else "", file=sys.stderr)
        return 1 if names else 0
    for path, content in outputs(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
