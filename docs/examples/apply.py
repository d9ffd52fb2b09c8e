"""A portal that applies over HTTP, with the standard library and the package `contracts`.

It must never need anything else of the suite.
"""

import json
import os
import urllib.error
import urllib.request
from datetime import UTC, datetime

from contracts.portal import Applicant, Delivery, Submitted

URL, KEY, PORTAL = os.environ["PLAY_URL"], os.environ["PLAY_PORTAL_KEY"], os.environ["PLAY_PORTAL"]

submitted = Submitted(
    at=datetime.now(UTC),
    portal=PORTAL,
    submission="tutorial-0004",
    item="MZ-YDZ",
    area="341602",
    channel="app",
    applicant=Applicant(kind="person", name="李安民", identity="342126195303082181", phone="14400005004"),
    delivery=Delivery(method="ems", address="安徽省亳州市谯城区魏武大道3号"),
    form={"purpose": "renew"},
)


def ask(method, path, body=None, **headers):
    """Status and answer."""
    headers = {"X-Api-Key": KEY, "Content-Type": "application/json", **headers}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


# Over HTTP the moment, the portal and the submission id are said by headers, not by the body.
body = submitted.model_dump(mode="json", exclude_none=True, exclude={"at", "portal", "submission"})
status, receipt = ask("POST", "/intake/submissions", body, **{"Idempotency-Key": submitted.submission})
print(status, receipt["number"], receipt["label"])

status, case = ask("GET", f"/intake/cases/{receipt['case']}")
print(status, case["title"], case["status"])

status, problem = ask("POST", f"/intake/cases/{receipt['case']}/supplement", {"form": {"purpose": "new"}})
print(status, [(error["rule"], error["message"]) for error in problem["errors"]])
