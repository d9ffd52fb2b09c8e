"""`tongban verify`: checks journals offline.

It reads files only; this module must never ask a running service.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.evaluation.journal import verify_chain

CASE: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SCOPE: Final = "checked: order, types, times and digests; the case's id is what the file says, no line holds it"


@dataclass
class Looked:
    """What one saved journal says it is, and what is wrong with it."""

    case: str = ""
    head: str = ""
    lines: int = 0
    problems: list[str] = field(default_factory=list)


def look(path: Path, wanted: str | None) -> Looked:
    """One file; `wanted` is the case that it must be of."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        lines = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in body["lines"]]
        found = Looked(str(body["case"]), str(body["head"]), len(lines))
    except OSError as error:
        return Looked(problems=[f"cannot be read: {error.strerror}"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return Looked(problems=["no journal: an object with case, head and lines is expected"])
    if not lines:
        found.problems.append("no lines: the journal of a case has at least one")
    if not CASE.fullmatch(found.case):
        found.problems.append("its case is no id")
    for said, by in ((wanted, "--case"), (named(path), "the file's name")):
        if said is not None and said != found.case:
            found.problems.append(f"it says it is of case {found.case[:40]}, {by} says {said[:40]}")
    found.problems += verify_chain(lines, found.head)
    return found


def named(path: Path) -> str | None:
    """The case in a file's name, if one stands there."""
    found = CASE.search(path.name)
    return found[0] if found else None


def verify(argv: list[str]) -> int:
    """check journals that were saved from /evaluation/cases/{case}/journal"""
    parser = argparse.ArgumentParser(prog="tongban verify", description=verify.__doc__, epilog=SCOPE)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--case", help="id of the case that the files must be of")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(argv)
    looked = {str(path): look(path, given.case) for path in given.files}
    cases = defaultdict(set)
    for one in looked.values():
        cases[one.head].add(one.case)
    for one in looked.values():
        if one.lines and len(cases[one.head]) > 1:
            one.problems.append("the same lines are given as the journal of more than one case")
    if given.json:
        print(json.dumps({name: vars(one) for name, one in looked.items()}, ensure_ascii=False, indent=2))
    else:
        for name, one in looked.items():
            whole = f"whole, {one.lines} lines of case {one.case}"
            print(f"{name}: {'; '.join(one.problems) or whole}")
        print(SCOPE, file=sys.stderr)
    return 1 if any(one.problems for one in looked.values()) else 0


COMMANDS = {"verify": verify}
