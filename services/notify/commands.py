"""`tongban notices`: shows what citizens will read, how long it is, and whether every template is sound.

It reads the template file only; this module must never ask a running service.
"""

from __future__ import annotations

import argparse
import json
import sys

from services.notify.texts.book import TemplateError, previews
from services.notify.texts.loading import load


def notices(argv: list[str]) -> int:
    """show the notices 通知 that citizens get, with sample values, length and segments"""
    parser = argparse.ArgumentParser(prog="tongban notices", description=notices.__doc__)
    parser.add_argument("name", nargs="?", help="one template; all without it")
    parser.add_argument("--sign", default="亳州政务", help="the signature that stands in front")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(argv)
    try:
        found = load()
    except TemplateError as error:
        print(error, file=sys.stderr)
        return 1
    names = sorted({name for _, _, name, _ in found.all()})
    if given.name is not None and given.name not in names:
        print(f"no template {given.name[:40]}; there are {', '.join(names)}", file=sys.stderr)
        return 1
    shown = [one for one in previews(found, given.sign) if given.name in (None, one["name"])]
    if given.json:
        print(json.dumps(shown, ensure_ascii=False, indent=2))
        return 0
    for one in shown:
        kind = "legal" if one["legal"] else "can wait"
        size = f", {one['segments']} segment(s)" if "segments" in one else ""
        page = f"{one['channel']}.{one['language']}"
        print(f"{one['name']}  {page}  v{one['version']}  {kind}  {one['length']} characters{size}")
        print(f"    {one['text']}")
    return 0


COMMANDS = {"notices": notices}
