"""快递100: pushes of a whole history, newest first, signed over the raw parameter (kuaidi100 document 5f0ffa8f).

It verifies and reads; this module must never decide what a scan means for a parcel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from chassis.decision import Reject
from chassis.pushing import FORM, Push
from chassis.secret import Secrets
from chassis.web import described as docs
from chassis.web.reading import decoded, fault, form, mended
from contracts.codes import SCAN_KUAIDI100
from services.courier.partners.port import Pushed, Read, meaning, scanned_at, unsigned

STATUS: Final = {
    "在途": "0",
    "揽收": "1",
    "疑难": "2",
    "签收": "3",
    "退签": "4",
    "派件": "5",
    "退回": "6",
    "转单": "7",
    "清关": "8",
    "待清关": "10",
    "清关中": "11",
    "已清关": "12",
    "清关异常": "13",
    "拒签": "14",
}
"""The word of a line as the state code of the same document."""


class Line(msgspec.Struct):
    """One line of the history; `status` is a word, or empty in an older edition of the push."""

    time: str
    status: str = ""


class Last(msgspec.Struct):
    nu: str
    state: str = "0"
    data: list[Line] = []


class Param(msgspec.Struct, rename="camel"):
    last_result: Last


SAMPLE: Final = (
    '{"status":"polling","lastResult":{"nu":"1104938274016","state":"1",'
    '"data":[{"time":"2026-02-27 16:02:11","status":"揽收"}]}}'
)


class Form(msgspec.Struct):
    """The callback is a form; `param` holds JSON (`lastResult`), `sign` is MD5(param + salt) in hex."""

    param: Annotated[str, docs.holding(Param, SAMPLE)]
    sign: Annotated[str, msgspec.Meta(examples=["6d7b2c1e8d7a46039c1e2f3a4b5c6d7e"])] = ""


class Lines(msgspec.Struct):
    """`Last` with its lines as they came."""

    nu: str
    state: str = "0"
    data: list[msgspec.Raw] = []


class Whole(msgspec.Struct, rename="camel"):
    last_result: Lines


LINE, WHOLE = msgspec.json.Decoder(Line), msgspec.json.Decoder(Whole)


class Kuaidi100:
    """One of `salts` was given with the subscription."""

    name, shape, media = "kuaidi100", Form, FORM
    signs: Mapping[str, str] = {}

    def __init__(self, salts: Secrets) -> None:
        self.salts = salts

    def verify(self, push: Push) -> None:
        param, sign = _form(push.body)
        if not self.salts.proves(sign.lower().encode(), partial(signature, param)):
            raise unsigned("sign")

    def parse(self, push: Push) -> Read:
        """The list is full: every line that we have already is evidence that we have already, and a line that nobody
        can read comes again with every later push."""
        param, _ = _form(push.body)
        last = decoded(WHOLE, mended(param.encode()), "param").last_result
        read, scans = Read(), []
        for n, part in enumerate(last.data):
            at = f"param.lastResult.data[{n}]"
            try:
                line = decoded(LINE, part, at)
                when = scanned_at(line.time, f"{at}.time")
            except Reject as reject:
                read.faults += reject.problems
                continue
            # Without a word only the newest line is known: it is the state of the whole.
            code = STATUS.get(line.status, line.status) or (last.state if n == 0 else "0")
            scans.append((when, code, meaning(SCAN_KUAIDI100, code)))
        if scans or not read.faults:
            read.pushed[last.nu] = Pushed(scans=scans, raw=[param], at="param.lastResult.nu")
        if read.faults:
            read.failed.append(last.nu)
        return read

    def status(self, broken: bool) -> int:
        """They read the words."""
        return 200

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        if failed or problem:
            return {"result": False, "returnCode": "500", "message": problem or "处理失败"}
        return {"result": True, "returnCode": "200", "message": "成功"}


def signature(param: str, salt: str) -> bytes:
    return hashlib.md5(f"{param}{salt}".encode(), usedforsecurity=False).hexdigest().encode()


def _form(body: bytes) -> tuple[str, str]:
    """`param` and `sign`. Raises Reject."""
    fields = form(body, ("param", "sign"))
    if "param" not in fields:
        raise fault("missing", "param")
    return fields["param"], fields.get("sign", "")
