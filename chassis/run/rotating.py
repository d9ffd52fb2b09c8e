"""`tongban rotate`: puts a new value before the old one of any secret, and says what has to be done with it.

It prints settings and keeps nothing; this module must never write a file, log, or know a partner.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import os
import re
import secrets
import sys
from collections.abc import Mapping
from typing import Final

from chassis.kinds import NAME
from chassis.run.keyuse import uses
from chassis.run.showing import show
from chassis.sealing import Keyring
from chassis.secret import MOST, Opens, Secrets, Way
from chassis.settings import ChassisSettings, Section
from chassis.web.auth import new_key

RESTART: Final = "Set this line wherever the suite runs, and restart every replica, one after the other."
NEXT: Final = {
    Way.OURS: f"{RESTART} Both values are taken now. Tell the partner the first; when it has changed: --end.",
    Way.THEIRS: f"{RESTART} Both values are taken now. When the partner uses the first only: --end.",
    Way.SHOWN: f"{RESTART} End the old value where it was made only after that.",
    Way.NAMED: f"{RESTART} Both values count now. Give the other side the first; when it has changed: --end.",
    Way.PORTALS: f"{RESTART} Both keys are taken now. Give the portal the new one; when it has changed: --end.",
    Way.KEYS: f"{RESTART} The first key seals from now on, and all open. What may go, and when, says --end.",
}


class NotRotated(Exception):
    """Why there is no new value; a sentence."""


def rotate(
    args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str], sections: Mapping[str, Section]
) -> int:
    """The new setting on stdout, what to do with it on stderr. Without a variable: all secrets, and how many values
    live. The exit code."""
    known = {
        section.variable(name): (opens, getattr(section, name))
        for section in sections.values()
        for name, opens in section.secrets().items()
    }
    if not args.variable:
        rows = [
            {"variable": variable, "way": opens.way.value, "live": living(opens, value), "opens": opens.what}
            for variable, (opens, value) in known.items()
        ]
        show(rows, args.json, lambda r: f"{r['variable']:<40}{r['way']:<9}{r['live']:>2}  {r['opens']}")
        return 0
    if args.variable not in known:
        print(f"{args.variable[:60]} is no secret; `tongban rotate` lists them all", file=sys.stderr)
        return 2
    way, now = known[args.variable][0].way, env.get(args.variable, "")
    try:
        value, told = ended(way, args.name, now, settings) if args.end else renewed(way, args.name, now)
    except NotRotated as error:
        print(f"{args.variable}: {error}", file=sys.stderr)
        return 1
    shown = {"setting": f"{args.variable}={value}", **({"key": told} if told else {})}
    head = f"# key of the portal, which is not kept: {told}\n" if told else ""
    show([shown], args.json, lambda row: head + row["setting"])
    print(RESTART if args.end else NEXT[way], file=sys.stderr)
    return 0


def living(opens: Opens, value: object) -> int:
    """How many values live now; of what goes by names, of all names together."""
    if isinstance(value, Secrets):
        return len(value.live)
    text = str(value)
    if opens.way is Way.NAMED:
        return text.count("whsec_")
    return len(parts(text)) if opens.way in (Way.KEYS, Way.PORTALS) else int(bool(text))


def renewed(way: Way, name: str | None, now: str) -> tuple[str, str]:
    """The setting with a new value in front, and for a portal its new key. Raises NotRotated."""
    if way is Way.TAG:
        raise NotRotated(
            "it names documents, and cannot be exchanged: with another one nobody would be found by telephone or "
            "identity any more"
        )
    if way is Way.OURS:
        return ",".join([secrets.token_hex(16), *parts(now)][:MOST]), ""
    if way is Way.THEIRS:
        return ",".join([given(), *parts(now)][:MOST]), ""
    if way is Way.SHOWN:
        return given(), ""
    if way is Way.KEYS:
        return with_key(now), ""
    if not name or not NAME.fullmatch(name):
        raise NotRotated("say whose, behind the variable")
    return for_portal(name, now) if way is Way.PORTALS else (with_secret(name, now), "")


def ended(way: Way, name: str | None, now: str, settings: ChassisSettings) -> tuple[str, str]:
    """The setting without its oldest value. Raises NotRotated where there is only one, or it is needed."""
    if way is Way.KEYS:
        return without_key(now, settings), ""
    if way is Way.NAMED:
        before, values = named(name or "", now)
        if len(values) > 1:
            return placed(name or "", now, before + values[0]), ""
    elif way is Way.PORTALS:
        own = [entry for entry in parts(now) if entry.partition("=")[0] == name]
        if len(own) > 1:
            return ",".join(entry for entry in parts(now) if entry not in own[1:]), ""
    elif len(parts(now)) > 1 and way is not Way.SHOWN:
        return parts(now)[0], ""
    raise NotRotated("there is no second value that could be ended")


def parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def given() -> str:
    """The new value of who gives it, from stdin, where no list of processes shows it."""
    told = getpass.getpass("new value: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not told.strip():
        raise NotRotated("the other side makes it; give the new value on stdin")
    return told.strip()


def with_key(now: str) -> str:
    """With a key of the same algorithm in front, under the next free id."""
    ids = [entry.partition(":")[0] for entry in parts(now)]
    numbers = [int(found[1]) for id in ids if (found := re.search(r"(\d{1,6})$", id))]
    stem = re.sub(r"\d+$", "", ids[0]) if ids else "k"
    algorithm = parts(now)[0].split(":")[1] if ids else "aes-256-gcm"
    return ",".join([Keyring.generate_settings(algorithm, f"{stem}{max(numbers, default=0) + 1}")[0], *parts(now)])


def without_key(now: str, settings: ChassisSettings) -> str:
    """Without the oldest key, which nothing here is sealed by any more. Raises NotRotated, saying what is."""
    entries = parts(now)
    if len(entries) < MOST:
        raise NotRotated("there is no second value that could be ended")
    oldest = entries[-1].partition(":")[0]
    try:
        found = uses(settings, oldest)
    except OSError as error:
        raise NotRotated(str(error)) from None
    if found:
        counted = ", ".join(f"{place} {count}" for place, count in found.items())
        raise NotRotated(f"key {oldest} must stay, it still opens ({counted}); a key that only opens does no harm")
    if settings.bus:
        print(
            f"Not seen from here: records on {settings.bus}, which end with the retention of their topics, and objects "
            f"of a bucket whose names end in .{oldest}. Wait for those.",
            file=sys.stderr,
        )
    return ",".join(entries[:-1])


def for_portal(name: str, now: str) -> tuple[str, str]:
    """With a new key of this portal in front, of the same scopes; its older one stays, any before that goes."""
    own = [entry for entry in parts(now) if entry.partition("=")[0] == name]
    key, entry = new_key(name)
    if own and (scopes := own[0].partition(":")[2]):
        entry = f"{entry.rpartition(':')[0]}:{scopes}"
    others = [one for one in parts(now) if one not in own[MOST - 1 :]]
    return ",".join([entry, *others]), key


def with_secret(name: str, now: str) -> str:
    """With a new secret of this name in front; its older one stays, any before that goes."""
    before, values = named(name, now)
    fresh = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
    return placed(name, now, before + "+".join([fresh, *values][:MOST]))


def named(name: str, now: str) -> tuple[str, list[str]]:
    """What stands before the secrets of this name (`name=`, or `name=address|`), and they. Raises NotRotated."""
    for entry in parts(now):
        if entry.partition("=")[0] == name:
            before, _, rest = entry.partition("whsec_")
            return before, [f"whsec_{one}" for one in rest.split("+whsec_")]
    raise NotRotated(f"{name[:40] or 'nobody'} does not stand in it")


def placed(name: str, now: str, entry: str) -> str:
    """With another entry in the place of the one of this name."""
    return ",".join(entry if one.partition("=")[0] == name else one for one in parts(now))
