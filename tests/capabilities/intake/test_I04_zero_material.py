"""I04: what government has issued or shares is not asked of the applicant, and where it came from stays on record.

Through the public door only; nothing here may look into a document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.event import About
from contracts.intake import Received
from contracts.review import Issued
from contracts.words import DeliveryMethod
from tests.capabilities.intake.town import KEYS, Town, town
from tests.chassis.running import until
from tests.services.intake.counter import CITIZENS, at

pytestmark = pytest.mark.anyio

WINDOW = "zx-window-1"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, at(4, 3, 9)) as found:
        yield found


def wanted(identity: str, **more: Any) -> dict[str, Any]:
    """劳务派遣经营许可, which needs the business licence from the licence library."""
    food = CITIZENS.submission("SJ-SPJY", 1)
    form = {"capital": 2_000_000, "premises": "亳州经济开发区药都大道1号"}
    codes = ("application_form", "capital_proof", "premises_proof")
    materials = [{**food["materials"][0], "code": code} for code in codes]
    applicant = {**food["applicant"], "kind": "enterprise", "identity": identity}
    body = {**food, "item": "RS-LWPQ", "area": None, "form": form, "materials": materials, "applicant": applicant}
    return {**body, "delivery": {"method": "cabinet"}, **more}


def licence(number: str, **more: Any) -> dict[str, Any]:
    given = {"kind": "营业执照", "certificate": number, "issuer": "市场监督管理局", "issued_on": "2024-05-06"}
    return {**given, **more}


async def shared(place: Town, identity: str, **given: Any) -> tuple[int, Any]:
    return await place.portal(
        "PUT", "/intake/licences", {"identity": identity, "licence": licence(**given)}, "registry"
    )


async def proofs(place: Town, case: str, count: int) -> list[Any]:
    seen: list[Any] = []

    async def so() -> bool:
        _, shown = await place.portal("GET", f"/intake/cases/{case}")
        seen[:] = shown["proofs"]
        return len(seen) == count

    await until(so)
    return seen


async def test_a_shared_licence_satisfies_a_material_with_its_provenance(place: Town) -> None:
    identity = CITIZENS.submission("SJ-SPJY", 1)["applicant"]["identity"]
    assert (await shared(place, identity, number="YZ-0001"))[0] == 200
    status, receipt = await place.submit("zero-0001", wanted(identity))
    assert (status, receipt.get("missing")) == (201, []), receipt
    (proof,) = await proofs(place, receipt["case"], 1)
    assert {name: proof[name] for name in ("code", "kind", "certificate", "issuer", "issued_on", "source")} == {
        "code": "business_licence",
        "kind": "营业执照",
        "certificate": "YZ-0001",
        "issuer": "市场监督管理局",
        "issued_on": "2024-05-06",
        "source": "registry",
    }
    assert (await place.do(WINDOW, receipt["case"], "accept"))[0] == 200


async def test_what_is_nowhere_is_found_later_or_asked_for(place: Town) -> None:
    """Neither library nor applicant has it: the window cannot accept, and may ask; what is shared meanwhile counts."""
    first, second = (CITIZENS.submission("SJ-SPJY", n)["applicant"]["identity"] for n in (1, 2))
    cases = []
    for identity in (first, second):
        _, receipt = await place.submit(f"zero-{identity}", wanted(identity))
        cases.append(receipt["case"])
        status, problem = await place.do(WINDOW, receipt["case"], "accept")
        assert (status, problem["rule"], problem["field"]) == (409, "licence_missing", "business_licence")
    await shared(place, first, number="YZ-0002")
    await proofs(place, cases[0], 1)
    assert (await place.do(WINDOW, cases[0], "accept"))[0] == 200
    asked = {"missing": [{"code": "business_licence", "reason": "证照库中未查到"}]}
    assert (await place.do(WINDOW, cases[1], "correct", asked))[0] == 200
    sent = {"materials": [{**wanted(second)["materials"][0], "code": "business_licence"}]}
    assert (await place.portal("POST", f"/intake/cases/{cases[1]}/supplement", sent))[0] == 200
    assert (await place.do(WINDOW, cases[1], "accept"))[0] == 200


@pytest.mark.parametrize("given", [{"void": True}, {"until": "2026-04-02"}, {"kind": "结婚证"}])
async def test_void_expired_or_of_another_kind_satisfies_nothing(place: Town, given: dict[str, Any]) -> None:
    identity = CITIZENS.submission("SJ-SPJY", 3)["applicant"]["identity"]
    await shared(place, identity, number="YZ-0003", **given)
    _, receipt = await place.submit("zero-void", wanted(identity))
    await shared(place, identity, number="YZ-0004", kind="食品经营许可证")
    status, problem = await place.do(WINDOW, receipt["case"], "accept")
    assert (status, problem["rule"]) == (409, "licence_missing")
    await shared(place, identity, number="YZ-0005")
    assert [proof["certificate"] for proof in await proofs(place, receipt["case"], 1)] == ["YZ-0005"]


async def test_what_this_platform_has_issued_satisfies_later_applications(place: Town) -> None:
    """`issued` of an earlier case of the same holder; its source is that case's number."""
    given = CITIZENS.submission("SJ-SPJY", 4)
    _, earlier = await place.submit("zero-earlier", given)
    received = (await place.said(Received))[0]
    about = About.model_validate(received.about)
    issued = Issued(
        at=at(4, 3, 10),
        case=earlier["case"],
        about=about,
        certificate="YZ-0006",
        certificate_kind="营业执照",
        seal="市场监督管理局电子印章",
        delivery=DeliveryMethod.WINDOW,
    )
    await place.publish(issued)
    _, receipt = await place.submit("zero-later", wanted(given["applicant"]["identity"]))
    (proof,) = await proofs(place, receipt["case"], 1)
    assert (proof["certificate"], proof["source"]) == ("YZ-0006", earlier["number"])
    trial = wanted(given["applicant"]["identity"], trial=True)
    _, tried = await place.submit("zero-trial", trial)
    assert (await place.do(WINDOW, tried["case"], "accept"))[0] == 200, "a trial run asks the library nothing"


async def test_only_who_may_share_shares_and_no_answer_names_the_holder(place: Town) -> None:
    identity = CITIZENS.submission("SJ-SPJY", 5)["applicant"]["identity"]
    body = {"identity": identity, "licence": licence("YZ-0007")}
    assert (await place.portal("PUT", "/intake/licences", body))[0] == 403
    assert (await place.call("PUT", "/intake/licences", body))[0] == 401
    for wrong, field in (
        ({**body, "identity": "x"}, "identity"),
        ({**body, "licence": {**body["licence"], "issued_on": "yesterday"}}, "licence.issued_on"),
        ({**body, "licence": {**body["licence"], "certificate": ""}}, "licence.certificate"),
    ):
        status, problem = await place.portal("PUT", "/intake/licences", wrong, "registry")
        assert (status, problem["field"]) == (422, field)
        assert identity not in str(problem)
    status, answer = await place.portal("PUT", "/intake/licences", body, "registry")
    assert status == 200
    assert identity not in str(answer)


async def test_who_shares_learns_nothing_of_what_others_have_shared(place: Town) -> None:
    """Not in the answer, by its version, or by a key: the first certificate of a holder is answered as a later one."""
    with_more, with_none = (CITIZENS.submission("SJ-SPJY", n)["applicant"]["identity"] for n in (6, 8))
    for number in ("YZ-0010", "YZ-0011"):
        assert (await shared(place, with_more, number=number))[0] == 200
    registry, other = KEYS["registry"][0], KEYS["police"][0]
    used = {"Idempotency-Key": "shared-0001"}
    first = {"identity": with_more, "licence": licence(number="YZ-0012")}
    assert (await place.call("PUT", "/intake/licences", first, **{"X-Api-Key": registry, **used}))[0] == 200
    for more in ({}, used, {"If-Match": '"1"'}, {"If-Match": '"3"'}):
        answers = []
        for identity in (with_more, with_none):
            given = {"identity": identity, "licence": licence(number="JZ-0001")}
            headers = {"X-Api-Key": other, **more}
            async with place.http.put(f"{place.url}/intake/licences", json=given, headers=headers) as answer:
                answers.append((answer.status, await answer.json(), answer.headers.get("ETag")))
        alone = {"licences": [{"kind": "营业执照", "certificate": "JZ-0001", "void": False}]}
        assert answers == [(200, alone, None)] * 2, more
    again = {**first, "licence": licence(number="YZ-0013")}
    status, problem = await place.call("PUT", "/intake/licences", again, **{"X-Api-Key": registry, **used})
    assert (status, problem["rule"]) == (422, "idempotency_key_reused"), "the own key is known"
