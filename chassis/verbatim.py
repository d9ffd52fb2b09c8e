"""Shapes of the contracts that documents keep as an event said them, and the state of what belongs to a case.

How such a shape lies in a document is decided here; this module must never import a store, the fold, HTTP or a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, get_args

import msgspec

from chassis.decision import State
from chassis.law.rights import Whose
from contracts.event import About, CaseEvent, Shape

T = TypeVar("T", bound=Shape)
E = TypeVar("E", bound=CaseEvent)


class Verbatim(Generic[T]):
    """A shape and its plain values, as JSON has them: what was read becomes a shape when somebody first asks for it,
    and a document is written as it was read. Falsy where nothing was said yet."""

    __slots__ = ("_plain", "_shape", "_whole")

    def __init__(self, shape: type[T], plain: Mapping[str, Any]) -> None:
        self._shape, self._plain = shape, plain
        self._whole: T | None = None

    @classmethod
    def of(cls, whole: T) -> Verbatim[T]:
        made = cls(type(whole), whole.model_dump(mode="json", exclude_none=True))
        made._whole = whole
        return made

    @property
    def plain(self) -> Mapping[str, Any]:
        return self._plain

    def but(self, **fields: Any) -> Verbatim[T]:
        """The same with other values, as JSON has them, in these fields."""
        return Verbatim(self._shape, {**self._plain, **fields})

    @property
    def whole(self) -> T:
        """What a later version has said beside it is passed over. Raises ValidationError where nothing was said yet."""
        if self._whole is None:
            self._whole = self._shape.model_validate(self._plain, extra="ignore")
        return self._whole

    def __bool__(self) -> bool:
        return bool(self._plain)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and self._plain == other._plain

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._shape.__name__}>"


class OfCase(State, frozen=True, kw_only=True):
    """Whatever has a case: `heard` is what the events of the case said about it last, and lies in `about`."""

    heard: Verbatim[About] = msgspec.field(default=Verbatim(About, {}), name="about")

    @property
    def about(self) -> About:
        return self.heard.whole

    @property
    def case(self) -> str:
        """Its id; that of the document, unless a case has several."""
        return self.id

    def whose(self) -> Whose:
        return Whose((self.about.department,), self.about.whereabouts) if self.heard else Whose()


class Telling(Protocol):
    """What an event can be told of: a document, or a part of one, that knows its case."""

    @property
    def case(self) -> str: ...

    @property
    def about(self) -> About: ...


def said(kind: type[E], of: Telling, now: datetime, **rest: Any) -> E:
    """The event of this kind that is said at this moment; `rest` are the fields that are its own."""
    return kind(at=now, case=of.case, about=of.about, **rest)


def read(kind: Any, plain: Any) -> Any:
    """Of msgspec, what it meets in a document and does not know itself."""
    (shape,) = get_args(kind)
    return Verbatim(shape, plain)


def written(value: Any) -> Any:
    """For msgspec, what it does not know itself. Raises NotImplementedError for what is none of ours either."""
    if isinstance(value, Verbatim):
        return value.plain
    raise NotImplementedError(f"{type(value).__name__} does not lie in documents")
