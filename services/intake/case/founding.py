"""From an application to a case: what is checked, sealed, numbered, received, and accepted or asked to be corrected.

It computes with the calendar, the keyring and the catalogue it was given; it must never speak to anybody itself.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from chassis.decision import Decision
from chassis.law.areas import county
from chassis.law.workdays import Calendar
from chassis.sealing import Keyring
from chassis.verbatim import Verbatim, said
from contracts.event import About, Contact, Event, Json, Limit, Problem
from contracts.intake import Accepted, CorrectionRequested, Missing, Received
from contracts.numbers import case_number
from contracts.portal import Material, Submitted
from contracts.words import LimitKind, Unit
from services.intake.case.checking import Checker, papers
from services.intake.case.commands import Application
from services.intake.case.standing import standing
from services.intake.case.state import ACCEPTED, CORRECTING, SUBMITTED, Case, Clock, Slip
from services.intake.files.notes import Claimed
from services.intake.files.rules import upload_name
from services.intake.items.living import Living
from services.intake.library.notes import Sought

Applied = Submitted | Application
"""The same application as a portal's event and as the body of `POST /intake/submissions`."""

TRANSPORT: Final[dict[str, Any]] = {
    **dict.fromkeys(("at", "portal", "submission", "form"), True),
    "materials": {"__all__": {"upload": True}},
}
"""What the digest leaves to others: how the event came, the form, whose order does not matter, and where a material
lies, which its hash identifies."""

ADDED: Final = ("real_name", "trial")
"""Fields that came later: left out of the digest where nothing is said, so that older digests still hold."""

PRECHECK_DAYS: Final = 1
"""Workdays in which the form is looked at before originals are asked for."""


class ReceivedAgain(Received):
    """The same `received` for a portal that says the same submission again: told to the portal only, since for
    everybody else nothing happened."""

    def routes(self) -> tuple[tuple[str, str], ...]:
        return tuple(route for route in super().routes() if route[0].startswith("answers."))


class Founding:
    """What intake's rules are closed over."""

    def __init__(
        self,
        catalog: Living,
        calendar: Calendar,
        keyring: Keyring,
        *,
        places: Collection[str] = (),
        files_required: bool = False,
    ) -> None:
        """`places` are the codes of the city's units, without which there is no town or village; with
        `files_required` every material must lie in the material store."""
        self.catalog, self.calendar, self.keyring, self.places = catalog, calendar, keyring, places
        self.files_required = files_required
        self.departments = frozenset(item.department for item in catalog)
        self._checkers: dict[tuple[str, int], Checker] = {}
        self._pack = msgspec.json.Encoder().encode

    # ---------------------------------------------------------------------------------------------------- the item

    def checker(self, state: Case) -> Checker:
        """The item version that this case was submitted under."""
        return self._checker(state.about.item, state.about.item_version)

    def _checker(self, code: str, version: int) -> Checker:
        found = self._checkers.get((code, version))
        if found is None:
            found = self._checkers[(code, version)] = Checker(self.catalog.version(code, version))
        return found

    def _current(self, code: str, now: datetime) -> Checker | Problem:
        item = self.catalog.current(code, now.date())
        if item is not None and item.procedure != "steps":
            # Joint work, bundles, tasks and payments are in the catalogue; what is applied for is decided by steps.
            return Problem(rule="item_not_online", field="item", message="该事项尚未开通网上申请, 请按办事指南办理")
        if item is not None:
            return self._checker(code, item.version)
        if self.catalog.knows(code):
            heir = self.catalog.successor(code)
            text = f"该事项已取消, 请申请 {heir}" if heir else "该事项尚未开办或已取消"
            return Problem(rule="item_not_in_effect", field="item", message=text)
        return Problem(rule="item_unknown", field="item", message="事项目录中没有此事项")

    # --------------------------------------------------------------------------------------------------- the sealing

    def digest(self, body: Applied) -> str:
        """Tells the same submission from another one: keyed, since what it digests could be guessed; the order in
        which a portal wrote the form does not matter."""
        unsaid = {name: True for name in ADDED if getattr(body, name) is None}
        rest = body.model_dump_json(exclude=TRANSPORT | unsaid)
        form = msgspec.json.encode(body.form, order="deterministic").decode()
        return self.keyring.tag(rest + form)

    def mark(self, form: dict[str, Json], materials: tuple[Material, ...]) -> str:
        """The digest of a supplement."""
        codes = sorted((material.code, material.sha256) for material in materials)
        return self.keyring.tag(msgspec.json.encode((form, codes), order="deterministic").decode())[:16]

    def seal_papers(self, case: str, form: dict[str, Json], agent: dict[str, Any] | None) -> str:
        """Form and agent under one seal: free text may hold anything about anybody."""
        if not form and agent is None:
            return ""
        return self.keyring.seal_alike(self._pack({"form": form, "agent": agent}).decode(), f"{case}:papers")

    def open_papers(self, state: Case) -> dict[str, Any]:
        """`form` and `agent` of a case. Raises SealError when a key is gone."""
        if not state.papers:
            return {"form": {}, "agent": None}
        opened: dict[str, Any] = msgspec.json.decode(self.keyring.open(state.papers, f"{state.id}:papers"))
        return opened

    def holder(self, identity: str) -> str:
        """The tag under which the licence library and the pages know a person or enterprise."""
        return self.keyring.tag(f"holder|{identity}")

    # ------------------------------------------------------------------------------------------- the material store

    def unfiled(
        self, files: tuple[str, ...], materials: tuple[Material, ...], known: Collection[tuple[str, str]] = ()
    ) -> list[Problem]:
        """Rules `upload_unknown` for a ticket that is of none of these name spaces (`uploads.spaces`) for this content
        and that the case does not name yet (`known`, ticket and hash), `upload_missing` where every material must have
        one."""
        found: list[Problem] = []
        for i, material in enumerate(materials):
            path = f"materials.{i}.upload"
            if material.upload is None:
                if self.files_required:
                    found.append(Problem(rule="upload_missing", field=path, message="须先将文件上传到材料库"))
            elif (material.upload, material.sha256) not in known and material.upload not in (
                self.keyring.tag(upload_name(space, material.sha256)) for space in files
            ):
                found.append(Problem(rule="upload_unknown", field=path, message="材料库中没有这个文件"))
        return found

    def claims(self, case: str, materials: tuple[Material, ...], now: datetime) -> tuple[Claimed, ...]:
        """What is said to the uploads that an application names."""
        return tuple(
            Claimed(at=now, case=case, upload=m.upload, size=m.size, media=m.media_type)
            for m in materials
            if m.upload is not None
        )

    # -------------------------------------------------------------------------------------------------- the founding

    def found(
        self,
        id: str,
        body: Applied,
        portal: str,
        submission: str,
        now: datetime,
        files: tuple[str, ...],
        taken_by: str = "",
    ) -> Decision[Case] | list[Problem]:
        """The new case with what is said of it, or every problem. `now` is when it arrived, whatever the portal's
        clock says (domain rule 8); `files` are the name spaces of the uploads that it may name."""
        checker = self._current(body.item, now)
        if isinstance(checker, Problem):
            return [checker]
        today = now.date()
        problems = standing(body.channel, body.agent, today)
        problems += checker.application(body.area, body.applicant, body.delivery, today)
        if body.area and body.area != county(body.area) and body.area not in self.places:
            problems.append(Problem(rule="area_unknown", field="area", message="本市没有这个区域"))
        problems += checker.contents(body.form, body.materials, today)
        problems += self.unfiled(files, body.materials)
        if problems:
            return problems
        missing = checker.missing(body.form, body.materials)
        state = replace(self._blank(id, body, checker, portal, submission, now), taken_by=taken_by)
        claims: tuple[Event, ...] = self.claims(id, body.materials, now)
        if checker.wanted and not body.trial:
            claims += (Sought(at=now, holder=state.holder, case=id, wanted=checker.wanted),)
        if not checker.auto:
            check, deems = self._check(checker, state, now)
            received = self._received(state, now, check, deems)
            state = replace(state, phase=SUBMITTED, check=Clock.of(check), deems=deems, missing=missing)
            return Decision(state, say=(received, *claims))
        received = self._received(state, now, None, False)
        if missing:
            state, requested = self.correcting(state, checker, missing, now)
            return Decision(state, say=(received, requested, *claims))
        facts = checker.facts(body.form, body.applicant.identity, today)
        state, accepted = self.accepted(state, checker, facts, now, now)
        return Decision(state, say=(received, accepted, *claims))

    def _blank(self, id: str, body: Applied, checker: Checker, portal: str, submission: str, now: datetime) -> Case:
        item, seal, applicant = checker.item, self.keyring.seal_alike, body.applicant
        place, address = body.area or checker.area, body.delivery.address
        area = county(place)
        contact = Contact(
            tag=self.keyring.tag(applicant.phone),
            phone=seal(applicant.phone, f"{id}:phone"),
            name=seal(applicant.name, f"{id}:name"),
            address=seal(address, f"{id}:address") if address else None,
            email=seal(applicant.email, f"{id}:email") if applicant.email else None,
            wechat=seal(applicant.wechat, f"{id}:wechat") if applicant.wechat else None,
            language=applicant.language,
        )
        about = About(
            number=case_number(area, now.date(), id),
            item=item.code,
            item_version=item.version,
            title=item.title,
            kind=item.kind,
            department=item.department,
            area=area,
            portal=portal,
            submission=submission,
            applicant=applicant.kind,
            contact=contact,
            trial=body.trial or None,
            place=place if place != area else None,
        )
        return Case(
            id=id,
            heard=Verbatim.of(about),
            digest=self.digest(body),
            channel=body.channel,
            delivery=body.delivery.method,
            same_city=body.delivery.same_city,
            ask_person=body.ask_person,
            identity=seal(applicant.identity, f"{id}:identity"),
            real_name=body.real_name,
            holder=self.holder(applicant.identity),
            papers=self.seal_papers(id, body.form, body.agent.model_dump(mode="json") if body.agent else None),
            materials=papers(body.materials),
            received_on=now,
        )

    def _check(self, checker: Checker, state: Case, now: datetime) -> tuple[Limit, bool]:
        """Clock K, and whether its end is acceptance: never while originals are still to come (domain rule 9)."""
        ahead = bool(checker.pending(state))
        days = PRECHECK_DAYS if ahead else checker.item.check.days
        return self.calendar.limit(LimitKind.CHECK, now, days, Unit.WORKDAY), checker.deems and not ahead

    def _received(self, state: Case, now: datetime, check: Limit | None, deems: bool) -> Received:
        rest = {"channel": state.channel, "real_name": state.real_name, "holder": state.holder}
        return said(Received, state, now, received_on=now, check=check, deems=deems, **rest)

    def again(self, state: Case, now: datetime) -> Event:
        """The same answer to the same submission."""
        assert state.received_on is not None
        return said(
            ReceivedAgain,
            state,
            now,
            received_on=state.received_on,
            channel=state.channel,
            check=state.check.limit(LimitKind.CHECK) if state.check else None,
            deems=state.deems,
            real_name=state.real_name,
            holder=state.holder or None,
        )

    # ---------------------------------------------------------------------------------------------- what may follow

    def correcting(
        self, state: Case, checker: Checker, missing: tuple[Slip, ...], now: datetime
    ) -> tuple[Case, CorrectionRequested]:
        """补正告知: K stops, C starts."""
        limit = self.calendar.limit(LimitKind.CORRECTION, now, checker.item.correction_days, Unit.WORKDAY)
        lacks = tuple(Missing(code=s.code, title=s.title, reason=s.reason) for s in missing)
        event = said(CorrectionRequested, state, now, round=state.round + 1, missing=lacks, correction=limit)
        state = replace(
            state,
            phase=CORRECTING,
            correction=Clock.of(limit),
            round=state.round + 1,
            asked=state.asked or tuple(slip.code for slip in missing),
            missing=missing,
            told=(),
        )
        return state, event

    def rechecked(self, state: Case, checker: Checker, now: datetime) -> tuple[Case, Limit | None]:
        """补正完成: C stops, `received_on` moves, K starts again (none where the machine decides)."""
        if checker.auto:
            return replace(state, phase=SUBMITTED, received_on=now, check=None, deems=checker.deems), None
        check, deems = self._check(checker, state, now)
        return replace(state, phase=SUBMITTED, received_on=now, check=Clock.of(check), deems=deems), check

    def accepted(
        self,
        state: Case,
        checker: Checker,
        facts: dict[str, Json],
        now: datetime,
        accepted_on: datetime,
        deemed: bool = False,
    ) -> tuple[Case, Accepted]:
        """受理: K stops; L and P run from `accepted_on`, which is the day of receipt when nobody answered in time."""
        assert state.received_on is not None
        item, limit = checker.item, self.calendar.limit
        promised = limit(LimitKind.PROMISED, accepted_on, item.promised.n, item.promised.unit)
        legal = limit(LimitKind.LEGAL, accepted_on, item.legal.n, item.legal.unit) if item.legal else None
        event = said(
            Accepted,
            state,
            now,
            accepted_on=accepted_on,
            received_on=state.received_on,
            deemed=deemed,
            legal=legal,
            promised=promised,
            plan=checker.plan(state.delivery),
            facts=facts,
            identity=state.identity,
            same_city=state.same_city,
            ask_person=state.ask_person,
        )
        state = replace(
            state, phase=ACCEPTED, accepted_on=accepted_on, deemed=deemed, promised=promised.last_day, missing=()
        )
        return state, event

    def reopened_facts(self, state: Case, checker: Checker) -> dict[str, Json]:
        """The facts of a case that was kept: ages are those of the day on which it was (last) received."""
        assert state.received_on is not None
        identity = self.keyring.open(state.identity, f"{state.id}:identity")
        return checker.facts(self.open_papers(state)["form"], identity, state.received_on.date())
