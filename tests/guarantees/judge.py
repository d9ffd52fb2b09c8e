"""What a judge who trusts nobody makes of a run: from the records on the bus and from what the partners counted.

It reads and compares; this module must never start, kill or ask anything, nor import a service.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chassis.bus import Record
from contracts.event import case_topic
from sandbox.city import City
from sandbox.ems import Place
from sandbox.ems_scans import LEGACY_ACTION, SCRIPTS
from sandbox.processes import SERVICES
from sandbox.sms import Message
from sandbox.world import PORTAL

CHAIN = ("received", "accepted", "reviewed", "issued", "ordered", "dispatched", "delivered")
"""Each of these is caused by the one before it, where a case has both."""

ENDS = frozenset(("accepted", "reviewed", "issued", "refused", "lapsed", "withdrawn"))
DECIDED = frozenset(("accepted", "reviewed", "issued"))
"""What the usual case comes to, beside being received, and rated once it is over."""

TEMPLATES = {
    "correction_requested": "correction",
    "originals_requested": "originals",
    "originals_released": "originals_back",
}
"""Notices whose template is called otherwise."""

ONCE = ("received", *sorted(ENDS), "ordered", "dispatched", "delivered", "invited", "rectifying")
TOPICS = (*map(case_topic, SERVICES), f"answers.{PORTAL}", *(f"{name}.dead" for name in SERVICES))


Telephones = Mapping[str, Sequence[tuple[str, str]]]
"""(template, parameters) of every message that a telephone has received."""


Records = Mapping[str, Mapping[str, Any]]
"""What a service shows a supervisor of each case: evaluation its journal (`head` and `lines`), courier its parcel."""


@dataclass
class Taken:
    """What the suite has acknowledged to its partners: receipts and scans."""

    receipts: list[Message] = field(default_factory=list)
    scans: list[Place] = field(default_factory=list)


@dataclass(slots=True)
class Said:
    """One event as it was said first."""

    type: str
    id: str
    source: str
    sequence: int
    place: int
    body: bytes

    def field(self, name: str) -> Any:
        return json.loads(self.body).get(name)


@dataclass
class Submission:
    """What was handed in, and how it must end: with or without a parcel, by which events of ENDS, after how many
    ratings, and, where the legal clock moves, with which alarms (as `rung` names them). `answers` are the numbers that
    HTTP gave."""

    id: str
    case: str
    item: str
    phone: str
    ems: bool
    ends: frozenset[str] = DECIDED
    ratings: int = 1
    rings: Counter[str] | None = None
    answers: set[str] = field(default_factory=set)
    refused: list[Any] = field(default_factory=list)


class Witness:
    """Listens to all that is said, keeps first occurrences, and notices at once what must never be heard."""

    def __init__(self) -> None:
        self.cases: dict[str, list[Said]] = defaultdict(list)
        self.received: dict[str, str] = {}
        self.faults: list[str] = []
        self.repeated = 0
        self._known: dict[str, bytes] = {}

    def hear(self, record: Record) -> Said | None:
        """The event, if it is a case event heard for the first time."""
        if record.topic.endswith(".dead"):
            self.faults.append(f"dead letter on {record.topic}: {record.headers.get('tb_rule')} of {record.key}")
            return None
        kind = record.headers["ce_type"].split(".")[1]
        if not record.topic.startswith("case."):
            if kind == "received":
                self.received[record.key] = json.loads(record.value)["case"]
            elif kind == "bounced":
                self.faults.append(f"bounced: {record.value.decode()}")
            return None
        id = record.headers["ce_id"]
        if id in self._known:
            self.repeated += 1
            if self._known[id] != record.value:
                self.faults.append(f"{kind} {id} of {record.key} was said again with another content")
            return None
        self._known[id] = record.value
        headers = record.headers
        place = len(self._known)  # in the order of hearing: offsets of different topics say nothing of each other
        said = Said(kind, id, headers["ce_source"], int(headers["ce_sequence"]), place, record.value)
        self.cases[record.key].append(said)
        return said

    def has(self, case: str, kind: str) -> bool:
        return any(said.type == kind for said in self.cases.get(case, ()))


def verdict(
    submissions: list[Submission],
    witness: Witness,
    city: City,
    phones: Telephones,
    journals: Records,
    sent: Records,
    taken: Taken,
    most_lost: float,
) -> list[str]:
    """Everything that is wrong; empty when every promise was kept. The share of notices that were reported lost must
    stay below `most_lost`."""
    found = list(witness.faults)
    founded = {s.id for s in submissions}
    for what, names in (("lost", founded - witness.received.keys()), ("never said", witness.received.keys() - founded)):
        found += [f"{what}: submission {name}" for name in names]
    found += [f"a case nobody submitted: {c}" for c in witness.cases.keys() - {s.case for s in submissions}]
    for submission in submissions:
        found += [f"{submission.item} {submission.case}: {text}" for text in case(submission, witness)]
        kept = journals.get(submission.case)
        problems = ["no journal"] if kept is None else journal(submission.case, kept, witness)
        found += [f"{submission.item} {submission.case}: {text}" for text in problems]
    found += certificates(witness)
    found += parcels(submissions, witness, city)
    found += messages(submissions, witness, city, phones)
    ends = notices(witness)
    if ends["lost"] and ends["lost"] >= most_lost * ends.total():
        found.append(f"{ends['lost']} of {ends.total()} notices were lost")
    found += receipts(submissions, witness, taken.receipts)
    found += scans(witness, sent, taken.scans)
    return found


def case(submission: Submission, witness: Witness) -> Iterator[str]:
    """One case: answered with one number, all its effects once, in the order of their causes."""
    events = witness.cases.get(submission.case, [])
    count = Counter(said.type for said in events)
    if witness.received.get(submission.id) != submission.case:
        yield f"answered as case {witness.received.get(submission.id)}"
    if len(submission.answers) > 1:
        yield f"HTTP gave several numbers: {submission.answers}"
    if submission.refused:
        yield f"HTTP refused it: {submission.refused[0]}"
    due = {"received", "invited", "rated", *submission.ends}
    due |= {"ordered", "dispatched", "delivered"} if submission.ems else set()
    yield from (f"{kind} is missing" for kind in sorted(due - count.keys()))
    yield from (f"{kind} must not be" for kind in sorted(ENDS & count.keys() - due))
    yield from (f"{kind} happened {count[kind]} times" for kind in ONCE if count[kind] > 1)
    first = [said for said in events if said.type == "rated" and said.field("round") == 1]
    if len(first) != 1 or count["rated"] != submission.ratings:
        yield f"rated {count['rated']} times, {len(first)} of them first"
    if submission.rings is not None and (heard := rung(events)) != submission.rings:
        yield f"rang {dict(heard)}, not {dict(submission.rings)}"
    notices = Counter(said.field("notice") for said in events if said.type == "notified")
    yield from (f"notified of {notice} {n} times" for notice, n in notices.items() if n > 1)
    places = [(kind, said.place) for kind in CHAIN for said in events if said.type == kind]
    for (before, earlier), (after, later) in itertools.pairwise(places):
        if earlier >= later:
            yield f"{after} was heard before {before}"
    last: dict[str, int] = {}
    for said in sorted(events, key=lambda said: said.place):
        if said.sequence <= last.get(said.source, 0):
            yield f"{said.type} of {said.source} has sequence {said.sequence} after {last[said.source]}"
        last[said.source] = said.sequence


def rung(events: Iterable[Said]) -> Counter[str]:
    """How often each clock has rung, as `reminder check` or `overdue promised`."""
    return Counter(f"{said.field('level') or said.type} {said.field('limit')['kind']}" for said in events
                   if said.type in ("warned", "overdue"))  # fmt: skip


def journal(case: str, body: Mapping[str, Any], witness: Witness) -> Iterator[str]:
    """The chain is computed anew here: every line follows from the one before, and together they hold every event of
    the case that was heard on the bus, each once."""
    previous, digests = "0" * 64, Counter[str]()
    for n, line in enumerate(body["lines"], 1):
        core = "{" + ",".join(f'"{k}":{json.dumps(line[k])}' for k in ("n", "type", "at", "by", "digest"))
        if (line["n"], line["previous"]) != (n, previous):
            yield f"journal line {n} does not follow the one before"
        if line["hash"] != hashlib.sha256(f"{previous}{core}".encode()).hexdigest():
            yield f"journal line {n} was changed"
        previous = line["hash"]
        digests[line["digest"]] += 1
    if previous != body["head"]:
        yield "the journal does not end where the case says"
    heard = Counter(hashlib.sha256(said.body).hexdigest() for said in witness.cases[case])
    if heard != digests:
        yield f"the journal lacks {(heard - digests).total()} events, and holds {(digests - heard).total()} too many"


def certificates(witness: Witness) -> list[str]:
    """No number was given to two cases."""
    issued = [(said.field("certificate"), case) for case, events in witness.cases.items() for said in events
              if said.type == "issued"]  # fmt: skip
    twice = [number for number, n in Counter(number for number, _ in issued).items() if n > 1]
    return [f"certificate {number} was given twice" for number in twice]


def parcels(submissions: list[Submission], witness: Witness, city: City) -> list[str]:
    """The waybills that the suite speaks of are those that EMS has: one for each case that is due one."""
    ordered = city.counts()["ems"]["effects"]["ordered"]
    found = [f"EMS took order {order} {n} times" for order, n in ordered["twice"].items()]
    said = Counter(e.field("waybill") for events in witness.cases.values() for e in events if e.type == "ordered")
    found += [f"waybill {waybill} stands for {n} orders" for waybill, n in said.items() if n > 1]
    due = sum(submission.ems for submission in submissions)
    if not ordered["total"] == len(said) == due:
        found.append(f"EMS has {ordered['total']} parcels, the suite says {len(said)}, {due} are due")
    return found


def telephones(city: City, submissions: Iterable[Submission]) -> Telephones:
    """What every applicant's telephone has received, from whatever provider."""
    return {
        submission.phone: [
            (m.template, m.param) for sms in (city.sms, city.tencent) for m in sms.of_phone(submission.phone)
        ]
        for submission in submissions
    }


def references(city: City) -> Counter[str]:
    """How many times each reference that the suite gave was accepted, over all SMS providers together."""
    return sum((Counter(city.counts()[name]["effects"]["sent"]["by"]) for name in ("sms", "tencent")), Counter())


def notices(witness: Witness) -> Counter[str]:
    """Notices by how they ended."""
    return Counter(e.field("outcome") for events in witness.cases.values() for e in events if e.type == "notified")


def told(case: str, witness: Witness) -> dict[str, str]:
    """Outcome by the name under which a telephone shows the notice: a template's name ends in it."""
    said = [e for e in witness.cases.get(case, ()) if e.type == "notified"]
    names = {e.id: TEMPLATES.get(e.field("notice"), e.field("notice")) for e in said}
    return {f"_{names[e.id].upper()}": e.field("outcome") for e in said}


def ending(template: str, outcomes: Mapping[str, str]) -> str | None:
    """How the notice of a template ended."""
    return next((outcome for name, outcome in outcomes.items() if template.endswith(name)), None)


def untold(submissions: list[Submission], witness: Witness, phones: Telephones) -> list[str]:
    """Messages on telephones of which the suite has not said how they ended."""
    found = []
    for submission in submissions:
        outcomes = told(submission.case, witness)
        shown = phones[submission.phone]
        found += [f"{submission.case}: {name} was sent and never ended" for name, _ in shown
                  if ending(name, outcomes) is None]  # fmt: skip
    return found


def messages(submissions: list[Submission], witness: Witness, city: City, phones: Telephones) -> list[str]:
    """Each notice once, over all providers together: by the reference that the suite gave, and by what the telephones
    show (every case has its own telephone, and its number stands in the parameters). Only what was reported lost may
    have reached nobody."""
    sent = references(city)
    found = [f"the SMS providers sent {reference} {n} times" for reference, n in sent.items() if n > 1]
    for phone, shown in phones.items():
        for text, n in Counter(shown).items():
            if n > 1:
                found.append(f"telephone {phone} shows {text[0]} {n} times")
    if (total := sum(map(len, phones.values()))) != sent.total():
        found.append(f"the providers sent {sent.total()} messages, the telephones show {total}")
    found += untold(submissions, witness, phones)
    for submission in submissions:
        names = [name for name, _ in phones[submission.phone]]
        for notice, outcome in told(submission.case, witness).items():
            if outcome != "lost" and not any(name.endswith(notice) for name in names):
                found.append(f"{submission.case}: {notice} ended as {outcome}, and no provider has it")
    return found


def receipts(submissions: list[Submission], witness: Witness, taken: Sequence[Message]) -> list[str]:
    """What a receipt says was taken to be true, unless it came for a notice that was lost by then."""
    case_of = {submission.phone: submission.case for submission in submissions}
    found = []
    for message in taken:
        outcome = ending(message.template, told(case_of[message.phone], witness))
        if outcome not in ("delivered" if message.ok else "failed", "lost"):
            found.append(f"{case_of[message.phone]}: {message.template} has a receipt and ended as {outcome}")
    return found


def scans(witness: Witness, parcels: Records, taken: Sequence[Place]) -> list[str]:
    """Every scan that EMS was told is kept stands in the evidence of its parcel."""
    case_of = {e.field("waybill"): case for case, events in witness.cases.items() for e in events
               if e.type == "ordered"}  # fmt: skip
    found = []
    for parcel, index in taken:
        code = parcel.scans[index].code
        code = LEGACY_ACTION[code] if SCRIPTS[parcel.script].legacy else code
        case = case_of.get(parcel.waybill, "")
        kept = parcels[case]["scans"] if case in parcels else ()
        if not any((datetime.fromisoformat(s["at"]), s["code"]) == (parcel.times[index], code) for s in kept):
            found.append(f"{case}: scan {code} of {parcel.waybill} was taken and is not there")
    return found
