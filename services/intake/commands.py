"""`tongban items check`: validates a folder of catalogue files, every error at once.

It reads files only; this module must never ask a running service.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from services.intake.catalog import CatalogError, load


def items(argv: list[str]) -> int:
    """check the item catalogue (事项库) and name every error of every file"""
    parser = argparse.ArgumentParser(prog="tongban items", description=items.__doc__)
    parser.add_argument("action", choices=["check"])
    parser.add_argument("folder", nargs="?", type=Path, help="folder of YAML files; the built-in catalogue without it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(argv)
    problems: tuple[tuple[str, str, str, str], ...] = ()
    try:
        load(given.folder)
    except CatalogError as error:
        problems = error.problems
    if given.json:
        names = ("file", "path", "rule", "message")
        print(json.dumps([dict(zip(names, p, strict=True)) for p in problems], ensure_ascii=False, indent=2))
    else:
        for file, path, rule, message in problems:
            print(f"{file}: {path}: {rule}: {message}", file=sys.stderr)
        print(f"{len(problems)} problems" if problems else "the catalogue is sound")
    return 1 if problems else 0


COMMANDS = {"items": items}
