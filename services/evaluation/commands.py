"""`tongban verify`: checks journals offline.

It reads files only; this module must never ask a running service.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from services.evaluation.journal import verify_chain


def problems(path: Path) -> list[str]:
    """What is wrong with one saved journal, or with the file."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        lines = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in body["lines"]]
        head = str(body["head"])
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    except (ValueError, TypeError, LookupError):
        return ["no journal: an object with head and lines is expected"]
    return verify_chain(lines, head)


def verify(argv: list[str]) -> int:
    """check journals that were saved from /evaluation/cases/{case}/journal"""
    parser = argparse.ArgumentParser(prog="tongban verify", description=verify.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(argv)
    found = {str(path): problems(path) for path in given.files}
    if given.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for name, wrong in found.items():
            print(f"{name}: {'; '.join(wrong) or 'whole'}", file=sys.stdout)
    return 1 if any(found.values()) else 0


COMMANDS = {"verify": verify}
