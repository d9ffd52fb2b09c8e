"""`tongban key`: makes API keys of portals, and keys of personal data.

It prints what it has made and keeps nothing; this module must never read a setting.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from chassis.kinds import NAME
from chassis.run.showing import show
from chassis.sealing import Keyring
from chassis.web.auth import new_key

DATA: Final = """# A new key stands in front of the older ones, which still open what they sealed.
TONGBAN_KEYS={entry}
# Made once and never changed, or nothing would be found again.
TONGBAN_TAG_SECRET={tag_secret}"""


def portal(args: argparse.Namespace) -> int:
    """The key for the portal, and what `TONGBAN_PORTAL_KEYS` must know of it."""
    if not NAME.fullmatch(args.portal):
        print(
            f"{args.portal[:40]!r} is no name of a portal; it must be letters, digits, hyphens, dots", file=sys.stderr
        )
        return 2
    key, entry = new_key(args.portal)
    text = "key (give it to the portal, it is not kept): {key}\nadd to TONGBAN_PORTAL_KEYS: {entry}"
    show([{"key": key, "entry": entry}], args.json, lambda row: text.format(**row))
    return 0


def data(args: argparse.Namespace) -> int:
    """An entry of `TONGBAN_KEYS`, and a `TONGBAN_TAG_SECRET` for whoever has none yet."""
    entry, secret = Keyring.generate_settings(args.algorithm, args.id)
    try:
        Keyring(entry, secret)
    except ValueError:
        print(f"{args.id[:40]!r} is no id; it must be letters, digits and hyphens, at most 32", file=sys.stderr)
        return 2
    show([{"entry": entry, "tag_secret": secret}], args.json, lambda row: DATA.format(**row))
    return 0
