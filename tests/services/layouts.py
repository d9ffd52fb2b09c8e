"""Golden documents: for each kind of each service how its bodies are laid out, and the bytes of one that fills it all.

`python -m tests.services.layouts` adds what no golden says yet; it must never overwrite one: that is what was stored.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from chassis.deadletters import PARKED
from chassis.decision import Decider, Errand
from chassis.document import Body, Doc, Open
from chassis.heart.halts import HALTED
from chassis.run.suite import describe_services
from chassis.settings import ChassisSettings
from chassis.stored import Stored
from chassis.verbatim import Verbatim
from chassis.verbatim import read as stored_shape
from contracts.event import SHANGHAI

ROOT = Path(__file__).resolve().parents[2]
Layout = dict[str, Any]
"""Of each struct, by name: whether its fields go by place, and their types in their order; of each enumeration its
values. `body` names the first struct, `errands` those that may be open."""
MAYBE = "may be left out: "
"""Before the type of a field that has a default."""


class Kind(NamedTuple):
    """One kind of document; `folder` is where its goldens lie."""

    folder: Path
    decider: Decider[Any]
    errands: tuple[type[Errand], ...]

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.decider.kind}"

    @property
    def stored(self) -> Stored[Any]:
        return Stored(self.decider, self.errands)

    def goldens(self) -> list[Path]:
        """`case.1.json`, and for each field that was added `case.1.2.json`, …; of a new layout `case.2.json`."""
        found = self.folder.glob(f"{self.decider.kind}.*.json")
        return sorted(found, key=lambda path: [int(n) for n in path.name.split(".")[1:-1]])


@cache
def kinds() -> tuple[Kind, ...]:
    """Of every service, and those that the chassis keeps with each."""
    found = [
        Kind(ROOT / "services" / service.name / "golden", decider, tuple(decider.answers))
        for service in describe_services(ChassisSettings.read({"TONGBAN_SANDBOX": "1"}), {"TONGBAN_SANDBOX": "1"})
        for decider in service.deciders
    ]
    return (*found, *(Kind(ROOT / "chassis" / "golden", own, ()) for own in (PARKED, HALTED)))


# -- how documents are laid out ------------------------------------------------------------------------------------


def layout(body: Any, errands: tuple[type[Errand], ...]) -> Layout:
    """How msgspec reads and writes this body, and these errands where they are open in it."""
    known: Layout = {}
    first = _type(inspect.type_info(body), known)
    return {"body": first, "errands": sorted(_type(inspect.type_info(e), known) for e in errands), "structs": known}


def _type(info: inspect.Type, known: Layout) -> str:
    """A type in words; structs and enumerations are put into `known`."""
    match info:
        case inspect.StructType():
            name = info.cls.__name__
            if name not in known:
                known[name] = {}
                known[name] = {
                    "by": "place" if info.array_like else "name",
                    "fields": {
                        f.encode_name: ("" if f.required else MAYBE) + _type(f.type, known) for f in info.fields
                    },
                }
            return name
        case inspect.EnumType():
            known.setdefault(info.cls.__name__, {"values": [member.value for member in info.cls]})
            return info.cls.__name__
        case inspect.UnionType():
            return " | ".join(_type(one, known) for one in info.types)
        case inspect.VarTupleType() | inspect.ListType():
            return f"[{_type(info.item_type, known)}]"
        case inspect.TupleType():
            return f"({', '.join(_type(one, known) for one in info.item_types)})"
        case inspect.CustomType(cls=cls) if cls is Verbatim:
            return "{str: any}"
        case inspect.DictType():
            return f"{{{_type(info.key_type, known)}: {_type(info.value_type, known)}}}"
        case _:
            return type(info).__name__.removesuffix("Type").lower()


def differences(old: Layout, new: Layout) -> list[str]:
    """What of the old layout the new one would no longer read as it was meant."""
    found = [f"{name} is gone" for name in old["errands"] if name not in new["errands"]]
    for name, was in old["structs"].items():
        now = new["structs"].get(name)
        if now is None:
            found.append(f"{name} is gone")
        elif "values" in was:
            found += [f"{name} lacks {value}" for value in was["values"] if value not in now["values"]]
        else:
            found += [f"{name}: {wrong}" for wrong in _fields(was, now)]
    return found


def _fields(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if was["by"] != now["by"]:
        yield f"went by {was['by']}, goes by {now['by']}"
    old, new, order = was["fields"], now["fields"], list(now["fields"])
    for place, (name, type) in enumerate(old.items()):
        if name not in new:
            yield f"{name} is gone"
        elif new[name].removeprefix(MAYBE) != type.removeprefix(MAYBE):
            yield f"{name} was {type}, is {new[name]}"
        elif was["by"] == "place" and order.index(name) != place:
            yield f"{name} stood at {place}, stands at {order.index(name)}"
        elif type.startswith(MAYBE) and not new[name].startswith(MAYBE):
            yield f"{name} was not always there, and is required"
    yield from (f"{name} is new and required" for name in new if name not in old and not new[name].startswith(MAYBE))


# -- a document that fills it ----------------------------------------------------------------------------------------


class Filler:
    """Values that are not blank, each another one, so that none can be lost or stand in another's place unnoticed."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, info: inspect.Type, name: str) -> Any:
        self.count += 1
        moment = datetime(2026, 4, 1, 9, tzinfo=SHANGHAI) + timedelta(days=self.count)
        match info:
            case inspect.StructType():
                tag = {info.tag_field: info.tag} if info.tag_field else {}
                values = {f.encode_name: f.default is not True and self.of(f.type, f.name) for f in info.fields}
                return list(values.values()) if info.array_like else {**tag, **values}
            case inspect.EnumType():
                return list(info.cls)[-1].value
            case inspect.UnionType():
                return self.of(next(one for one in info.types if not isinstance(one, inspect.NoneType)), name)
            case inspect.VarTupleType() | inspect.ListType():
                return [self.of(info.item_type, name)]
            case inspect.TupleType():
                return [self.of(one, name) for one in info.item_types]
            case inspect.CustomType(cls=cls) if cls is Verbatim:
                return {f"{name}-key-{self.count}": self.of(inspect.AnyType(), name)}
            case inspect.DictType():
                number = isinstance(info.key_type, inspect.IntType)
                return {str(self.count) if number else f"{name}-key-{self.count}": self.of(info.value_type, name)}
            case inspect.BoolType():
                return True
            case inspect.IntType():
                return self.count
            case inspect.FloatType():
                return self.count + 0.5
            case inspect.DateTimeType():
                return moment.isoformat()
            case inspect.DateType():
                return date.fromordinal(moment.toordinal()).isoformat()
            case inspect.LiteralType():
                return info.values[-1]
            case inspect.BytesType():
                return base64.b64encode(f"{name}-{self.count}".encode()).decode()
            case inspect.StrType() | inspect.AnyType():
                return f"{name}-{self.count}"
            case _:
                raise TypeError(f"{name}: nothing fills a {type(info).__name__}")


def filled(kind: Kind) -> bytes:
    """The body of a document of this kind, every field of the state filled, every errand open."""
    filler = Filler()
    values = filler.of(inspect.type_info(kind.decider.state), "state")
    state = msgspec.json.decode(msgspec.json.encode(values), type=kind.decider.state, dec_hook=stored_shape)
    opened = [
        Open("id-of-the-errand", 1, False, 1000.5, filler.of(inspect.type_info(errand), "errand"), 990.5, 2)
        for errand in kind.errands
    ]
    doc = Doc(state.id, 3, state, {"AAAAAAAAAAAAAAAA": 900}, 4, 5, [], opened, None, None, edition=2)
    return kind.stored.packed(doc)


def document(kind: Kind) -> dict[str, Any]:
    """What a golden file says."""
    state: Any = kind.decider.state
    return {
        "layout": kind.stored.newest,
        "laid_out": layout(Body[state], kind.errands),
        "body": filled(kind).decode(),
    }


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def add(kind: Kind) -> Path | None:
    """A golden for what this kind has become, where there is none yet."""
    fresh, old = document(kind), kind.goldens()
    if any(read(path)["laid_out"] == fresh["laid_out"] for path in old):
        return None
    same = [path for path in old if read(path)["layout"] == fresh["layout"]]
    added = f".{len(same) + 1}" if same else ""
    path = kind.folder / f"{kind.decider.kind}.{fresh['layout']}{added}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(fresh, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return path


if __name__ == "__main__":
    for one in kinds():
        if (written := add(one)) is not None:
            sys.stdout.write(f"{written.relative_to(ROOT)}\n")
