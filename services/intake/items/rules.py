"""Publishing catalogue items by two persons: drafts, abolitions, their publication or rejection, and the trail of both.

Rules over what is published and the catalogue they are given; this module must never read a file, a store or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from chassis.decision import Caller, Decider, Decision, Reject
from contracts.event import Problem
from contracts.item import Item, examine
from services.intake.items.living import Living
from services.intake.items.state import Abolish, Draft, Ending, Proposal, Publication, Publish, Turn, Version

LEAD: Final = timedelta(minutes=1)
"""What is published counts from a coming midnight at least so far away: by then every process has learnt it."""

Check = Callable[[Item], Iterable[Problem]]
"""What a city asks of an item beyond its own consistency."""


def nothing(item: Item) -> Iterable[Problem]:
    return ()


def publications(catalog: Living, check: Check = nothing) -> Decider[Publication]:
    """The decider of kind `item`. `check` names what a city has against an item, such as a department it lacks."""
    rules = Rules(catalog, check)
    decider: Decider[Publication] = Decider("item", Publication, forgets=timedelta(days=30))
    decider.on(Draft)(rules.draft)
    decider.on(Abolish)(rules.abolish)
    decider.on(Publish)(rules.publish)
    decider.on(Turn)(rules.turn)
    return decider


class Rules:
    """One method per command. `catalog` may lag behind the document by a second; the document is what counts."""

    def __init__(self, catalog: Living, check: Check) -> None:
        self.catalog, self.check = catalog, check

    def draft(self, state: Publication, command: Draft, now: datetime) -> Decision[Publication]:
        """Kept only if it could be published as it is. Raises Reject naming every problem, and proposal_pending."""
        free(state, abolition=False)
        item = self._sound(state, command.item, now)
        proposal = Proposal(editors(state, command.by), now, item.model_dump_json())
        return changed(state, now, entry("drafted", command.by, now, version=item.version), pending=proposal)

    def abolish(self, state: Publication, command: Abolish, now: datetime) -> Decision[Publication]:
        """Raises Reject: item_unknown, until_too_soon, not_in_effect_then, successor_unknown, proposal_pending."""
        free(state, abolition=True)
        if not self._latest(state):
            raise Reject("item_unknown", "事项目录中没有此事项", "code", 404)
        proposal = Proposal(
            editors(state, command.by), now, until=command.until, successor=command.successor, reason=command.reason
        )
        refuse(self._ending(state, proposal, now))
        told = {"until": command.until, "successor": command.successor, "reason": command.reason}
        return changed(state, now, entry("abolition_drafted", command.by, now, **told), pending=proposal)

    def publish(self, state: Publication, command: Publish, now: datetime) -> Decision[Publication]:
        """The second person's word. What was sound when it was drafted is judged again: days have passed.
        Raises Reject: nothing_pending, same_person, and whatever is wrong by now."""
        proposal = waiting(state)
        by = command.by.name
        if by in proposal.editors:
            raise Reject("same_person", "起草人不得发布自己起草的内容, 须由另一人发布", status=403)
        if proposal.until is not None:
            refuse(self._ending(state, proposal, now))
            number = max(self._latest(state))
            ending = Ending(number, proposal.until, proposal.successor, proposal.reason, proposal.editors, by, now)
            line = entry("abolished", command.by, now, until=ending.until, successor=ending.successor)
            return changed(state, now, line, pending=None, endings=(*state.endings, ending))
        item = self._sound(state, msgspec.json.decode(proposal.text), now)
        version = Version(item.version, item.effective, proposal.text, proposal.editors, by, now)
        line = entry("published", command.by, now, version=item.version, effective=item.effective)
        return changed(state, now, line, pending=None, versions=(*state.versions, version))

    def turn(self, state: Publication, command: Turn, now: datetime) -> Decision[Publication]:
        """Raises Reject nothing_pending."""
        waiting(state)
        return changed(state, now, entry("rejected", command.by, now, reason=command.reason), pending=None)

    # ------------------------------------------------------------------------------------------------- what is wrong

    def _sound(self, state: Publication, given: Mapping[str, Any], now: datetime) -> Item:
        """The item, or a Reject naming everything: what `examine` finds, what disagrees with what is published, and
        for an item that is one, what the city has against it."""
        found = examine(msgspec.json.encode(given))
        against = tuple(self._against(state, given, now))
        if not isinstance(found, Item):
            raise Reject.of((*found, *against))
        refuse((*against, *self.check(found)))
        return found

    def _against(self, state: Publication, given: Mapping[str, Any], now: datetime) -> Iterator[Problem]:
        """Fields that are no number or day are left to `examine`."""
        latest = self._latest(state)
        following = max(latest, default=0) + 1
        if given.get("code", state.id) != state.id:
            yield Problem(rule="code_mismatch", field="code", message="与请求地址中的事项编码不同")
        if type(number := given.get("version")) is int and number != following:
            yield Problem(rule="version_not_next", field="version", message=f"应为第 {following} 版")
        effective = day(given.get("effective"))
        if effective is None:
            return
        if too_soon(effective, now):
            yield Problem(rule="effective_too_soon", field="effective", message=f"最早于 {earliest(now)} 生效")
        if latest and effective < latest[following - 1]:
            text = f"不得早于前一版本的生效日期 {latest[following - 1]}"
            yield Problem(rule="effective_before_previous", field="effective", message=text)

    def _ending(self, state: Publication, proposal: Proposal, now: datetime) -> Iterator[Problem]:
        assert proposal.until is not None
        if too_soon(proposal.until, now):
            yield Problem(rule="until_too_soon", field="until", message=f"最早于 {earliest(now)} 停止")
        if Living(items(state, self.catalog)).current(state.id, proposal.until) is None:
            yield Problem(rule="not_in_effect_then", field="until", message="该日该事项本已不在办理")
        heir = proposal.successor
        if heir is not None and (heir == state.id or self.catalog.current(heir, proposal.until) is None):
            yield Problem(rule="successor_unknown", field="successor", message="该日没有这个承接事项可办")

    def _latest(self, state: Publication) -> dict[int, date]:
        """The day on which each version takes effect, by its number."""
        known = {item.version: item.effective for item in self.catalog.versions(state.id)}
        return known | {version.number: version.effective for version in state.versions}


def refuse(problems: Iterable[Problem]) -> None:
    """Raises Reject naming every problem, if there is any."""
    if found := tuple(problems):
        raise Reject.of(found)


def waiting(state: Publication) -> Proposal:
    """Raises Reject nothing_pending."""
    if state.pending is None:
        raise Reject("nothing_pending", "没有待发布的内容")
    return state.pending


def free(state: Publication, *, abolition: bool) -> None:
    """A draft may be drafted again, but not be swept away by an abolition or the other way round."""
    if state.pending is not None and abolition is not (state.pending.until is not None):
        raise Reject("proposal_pending", "另有待发布的内容, 须先发布或退回")


def editors(state: Publication, by: Caller) -> tuple[str, ...]:
    """Everybody who had a hand in what waits: none of them may be its second person."""
    before = state.pending.editors if state.pending is not None else ()
    return tuple(dict.fromkeys((*before, by.name)))


def day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def too_soon(first: date, now: datetime) -> bool:
    return first < earliest(now)


def earliest(now: datetime) -> date:
    """The first day from which something published now may count: tomorrow, in the last minute the day after."""
    return (now + LEAD).date() + timedelta(days=1)


def entry(did: str, by: Caller, now: datetime, **told: Any) -> dict[str, Any]:
    return {"at": now, "by": by.name, "department": by.department, "did": did, **told}


def changed(state: Publication, now: datetime, line: Mapping[str, Any], **fields: Any) -> Decision[Publication]:
    return Decision(replace(state, changed=now, **fields), append=(msgspec.json.encode(line).decode(),))


# ------------------------------------------------------------------------------------------- from documents to items


class Unreadable(Reject):
    """Published versions that this software does not take for items; every field is `code.version.path`."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("item_unreadable")
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(f"{p.field}: {p.rule}" for p in self.problems)


def items(state: Publication, catalog: Living) -> list[Item]:
    """Every version of the item as the catalogue should know it, those of the files among them once it has ended.
    Raises Unreadable."""
    found = {item.version: item for item in catalog.versions(state.id)}
    for version in state.versions:
        item = examine(version.text)
        if not isinstance(item, Item):
            where = f"{state.id}.{version.number}"
            raise Unreadable(tuple(Problem(rule=p.rule, field=f"{where}.{p.field}", message=p.message) for p in item))
        found[item.version] = item
    for ending in state.endings:
        for number, item in found.items():
            if number <= ending.last and (item.until is None or ending.until < item.until):
                found[number] = ended(item, ending)
    return list(found.values())


def ended(item: Item, ending: Ending) -> Item:
    """The version with its last day; unlike a drafted one it may end before it has begun."""
    return item.model_copy(update={"until": ending.until})


def successor(state: Publication) -> str | None:
    """The item that takes the place of this one, while its last version is an ended one."""
    newest = max((version.number for version in state.versions), default=0)
    last = state.endings[-1] if state.endings else None
    return last.successor if last is not None and newest <= last.last else None
