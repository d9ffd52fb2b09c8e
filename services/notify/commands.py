"""`tongban notices`: shows what citizens will read, how long it is, and whether every template is sound.

It reads the template file only; this module must never ask a running service.
"""

from __future__ import annotations

import argparse
import json
import sys

from services.notify.domain.templates import TemplateError, previewed
from services.notify.templating import load


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
    if given.name is not None and given.name not in found:
        print(f"no template {given.name[:40]}; there are {', '.join(sorted(found))}", file=sys.stderr)
        return 1
    shown = [previewed(name, found[name], given.sign) for name in ([given.name] if given.name else sorted(found))]
    if given.json:
        print(json.dumps(shown, ensure_ascii=False, indent=2))
        return 0
    for one in shown:
        kind = "legal" if one["legal"] else "can wait"
        print(f"{one['name']}  v{one['version']}  {kind}  {one['length']} characters, {one['segments']} segment(s)")
        print(f"    {one['text']}")
    return 0


COMMANDS = {"notices": notices}
