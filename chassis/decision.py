"""The words in which a service is written: State, Command, Errand, Decision, Reject, Retry, Decider.

Everything here is pure; this module must never import a bus, a store, a clock, HTTP or a service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, PrivateAttr

from chassis.bus import Record
from chassis.law.rights import NOBODY as NOBODY
from chassis.law.rights import NOBODYS, REFUSED, Whose, refused
from chassis.law.rights import Caller as Caller
from contracts.event import Event, Problem, brief


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One document: what must change together. A subclass gives every field a default, so that it can be built blank
    (`Case(id="…")`); collections are tuples or dicts that rules never mutate."""

    id: str

    def alarms(self) -> Mapping[str, datetime]:
        """Timers that should ring, by name, in legal time. A name may carry a detail after a colon: `warning:legal`."""
        return {}

    def lookups(self) -> tuple[str, ...]:
        """Exact words this document is to be found by, such as `number:…`, `waybill:…`, `work:<dept>|<role>`."""
        return ()

    def order(self) -> str:
        """The sort key of this document in a list of look-ups, such as the promised date."""
        return ""

    def whose(self) -> Whose | None:
        """To whom it belongs, so that only who has a right over it may read or change it; None for what belongs to
        nobody in particular, which every route that may be called may use."""
        return None


class Command(BaseModel):
    """What a person or partner asks over HTTP, in the imperative. `CREATES` says that it may found its document;
    otherwise a command to an unknown document waits for it (`Prefer: wait`) and is then refused as not_found."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    CREATES: ClassVar[bool] = False
    # By a factory, as a default would be copied deeply for every command.
    _by: Caller = PrivateAttr(default_factory=lambda: NOBODY)

    @property
    def by(self) -> Caller:
        """The authenticated caller; set by the door, never by the request body."""
        return self._by

    def spoken_by(self, caller: Caller) -> Self:
        self._by = caller
        return self

    def admitted(self, state: State, there: bool) -> None:
        """Before anything else is asked of the document. Raises Reject not_found, alike where it is not `there` and
        where the caller has no right over it, so that nobody learns which."""
        whose = state.whose()
        if self.CREATES and (not there or whose == NOBODYS):
            return
        if not there or (whose is not None and refused(self._by, whose)):
            raise hidden()


class Lane(NamedTuple):
    """Errands of one lane never wait for those of another; at most `most` of it are under way at once (0 = as the
    service's setting says)."""

    name: str = ""
    most: int = 0


class Errand(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A call to the outside world, made only after the decision behind it is durable. Its id, given by the chassis, is
    the reference under which the partner knows it; plain values only, personal ones sealed."""

    def lane(self) -> Lane:
        """By default all errands of a service share one."""
        return Lane()

    def partner(self) -> str:
        """Who is asked, in the words of operators: when it no longer answers, a line of the log says so."""
        return f"partner of {type(self).__name__}"

    def careful(self) -> bool:
        """Whether its partner cannot tell afterwards that it was never asked. Then a write of its own comes before the
        call, so that after a crash only what had begun is in doubt, not all that was planned. Each kind has to say."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        if cls.careful is Errand.careful:
            raise TypeError(f'{cls.__name__} does not say what its partner\'s "not found" proves (careful)')


@dataclass(frozen=True, slots=True)
class Alarm:
    """The state's own timer rings; `at` is the moment it was set for, and is the `now` of its rule. `rung` is when it
    did, which may be much later where the service was down."""

    name: str
    at: datetime
    rung: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An errand came back. `outcome` is `done`, `failed` (the partner says no: `problem`) or `lost` (nobody can say
    whether it was done, and a person must look); `result` is what the runner returned."""

    id: str
    errand: Any
    outcome: str
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record on a portal's topic that is no event we know; a service that declares a rule for it answers in words."""

    topic: str
    key: str
    problems: tuple[Problem, ...]


S = TypeVar("S", bound=State)


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What a rule returns: the new state, events to say, errands to do, and lines to append to the document's
    append-only list. All of it becomes durable in one write. (Only the chassis says raw records: dead letters.) `note`
    is for the memory of this process, see `Decider`; what is noted may be lost."""

    state: S
    say: tuple[Event | Record, ...] = ()
    do: tuple[Errand, ...] = ()
    append: tuple[str, ...] = ()
    note: tuple[Any, ...] = ()


class Reject(Exception):
    """What never will be. Over HTTP a problem naming field and rule; on the bus a dead letter. `status` is the HTTP
    status. The text must hold no personal data. `blames` says whether it tells against a partner."""

    blames = False

    def __init__(self, rule: str, message: str = "", field: str | None = None, status: int = 409) -> None:
        super().__init__(rule)
        self.rule, self.field, self.message, self.status = rule, field, message or rule, status
        self.problems: tuple[Problem, ...] = brief((Problem(rule=rule, field=field, message=self.message),))

    @classmethod
    def of(cls, problems: tuple[Problem, ...], status: int = 422, rule: str = "") -> Reject:
        """One refusal that names every problem at once, as far as an answer can hold them; `rule` is that of the whole,
        else the first problem's."""
        problems = brief(problems)
        reject = cls(rule or problems[0].rule, problems[0].message, problems[0].field, status)
        reject.problems = problems
        return reject


def ensure(by: Caller, whose: Whose | None) -> None:
    """Where it is no secret whether there is anything. Raises Reject (403) with the rule of `rights.refused`."""
    rule = refused(by, whose)
    if rule:
        raise Reject(rule, REFUSED[rule], status=403)


def hidden() -> Reject:
    """What is not there, and what the caller has no right over."""
    return Reject("not_found", "没有这个办件", status=404)


class Unreached(Reject):
    """A runner raises it when its partner did not answer, and waiting for it here is of no use."""

    blames = True


class Retry(Exception):
    """What passes: a runner raises it when the partner certainly did not act. `after` is in seconds."""

    blames = True

    def __init__(self, reason: str, after: float = 1.0) -> None:
        super().__init__(reason)
        self.after = after


class Unknown(Exception):
    """A runner raises it when nobody can say yet whether the partner acted: the chassis asks before it makes again."""


class Lost(Exception):
    """`ask` raises it when nobody will ever be able to say: a person is told at once."""


class Runner(Protocol):
    """One kind of errand's way to the outside. Both raise Retry (not done, try later), Reject (the partner says no) or
    Unknown (no answer). `ask` returns None when the partner does not know the errand, and raises Lost where it cannot
    be asked; a `patient` runner is believed only some time after the last unanswered call, which the partner may still
    be holding."""

    patient: bool

    async def make(self, id: str, errand: Any) -> Mapping[str, Any]: ...

    async def ask(self, id: str, errand: Any) -> Mapping[str, Any] | None: ...


Rule = Callable[..., "Decision[Any] | None"]
Given = Callable[[], Any]
Key = Callable[[Any], str | None]
Layout = Callable[[dict[str, Any]], dict[str, Any]]


def by_case(event: Any) -> str | None:
    """The default document of a case event: the one of its case."""
    case: str = event.case
    return case


class Decider(Generic[S]):
    """All rules of one kind of document. A rule takes (state, message, now) and returns a Decision, or None when
    nothing changes; it raises Reject for what must not be. Its answer depends on these alone, for it may be asked
    again: what another process wrote first is read, and the same messages are folded into that.

    A memory of the process, such as which provider does well, stands outside. `given` asks it: rules then take that
    question as a fourth argument, and however often one is asked for a message, the answer is the first. `noted` hears
    what decisions note, once they are durable.

    `forgets` is for documents that live for years: ids seen longer ago than this are trimmed, and a message older
    than that is refused in words. Documents that live as long as a case leave it None.

    `layouts` leads documents as earlier versions have stored them to what they are now: the first function makes of
    the first layout's plain values (as JSON has them) those of the second, and so on. A field renamed, dropped or
    retyped in the state, or in anything within it, needs one; a field added with a default needs none.
    """

    def __init__(
        self,
        kind: str,
        state: type[S],
        forgets: timedelta | None = None,
        layouts: tuple[Layout, ...] = (),
        given: Given | None = None,
        noted: Callable[[Any], None] | None = None,
    ) -> None:
        self.kind = kind
        self.state = state
        self.forgets = forgets
        self.layouts = layouts
        self.given = given
        self.noted = noted
        self.rules: dict[type, Rule] = {}
        self.keys: dict[type[Event] | type[Malformed], Key] = {}
        self.alarms: dict[str, Rule] = {}
        self.answers: dict[type[Errand], Rule] = {}

    def on(self, *types: Any, key: Key = by_case) -> Callable[[Rule], Rule]:
        """An event arrives or a command is asked. `key` names the document of an event; None = not for us."""

        def register(rule: Rule) -> Rule:
            for cls in types:
                if cls in self.rules:
                    raise TypeError(f"{self.kind} has two rules for {cls.__name__}")
                self.rules[cls] = rule
                if not issubclass(cls, Command):
                    self.keys[cls] = key
            return rule

        return register

    def when(self, *names: str) -> Callable[[Rule], Rule]:
        """The state's own alarm rings; the name up to a colon chooses the rule."""

        def register(rule: Rule) -> Rule:
            self.alarms.update(dict.fromkeys(names, rule))
            return rule

        return register

    def after(self, *errands: type[Errand]) -> Callable[[Rule], Rule]:
        """An errand came back: done, failed or lost."""

        def register(rule: Rule) -> Rule:
            self.answers.update(dict.fromkeys(errands, rule))
            return rule

        return register

    def rule_for(self, message: Any) -> Rule:
        """The rule for a message. Raises LookupError where none is declared."""
        if isinstance(message, Alarm):
            return self.alarms[message.name.partition(":")[0]]
        if isinstance(message, Answer):
            return self.answers[type(message.errand)]
        return self.rules[type(message)]
