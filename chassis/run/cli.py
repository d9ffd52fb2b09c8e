"""The `tongban` command: its arguments, exit codes, and how whatever it is told goes wrong is said in a sentence.

It reads arguments and calls; this module must never hold logic of its own or import the sandbox.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import os
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

from setproctitle import setproctitle

from chassis import discovery
from chassis.clock import Clock
from chassis.run.showing import show
from chassis.settings import ChassisSettings, Section, SettingsError, environment, together, unknown

CODES: Final = """exit codes: 0 done, 1 not done (a sentence on stderr says why), 2 wrong arguments or settings,
130 interrupted. Settings are TONGBAN_ variables or stand in the file .env; `tongban env` prints them all."""


class Setup:
    """The settings, read when a command first looks at them. Everything here raises SettingsError, with the problems of
    the chassis and of all services at once."""

    @functools.cached_property
    def env(self) -> Mapping[str, str]:
        return environment(os.environ)

    @functools.cached_property
    def sections(self) -> dict[str, Section]:
        kinds = discovery.sections()
        known = [name for kind in kinds.values() for name in kind.variables()]
        steps: list[Callable[[], Section | None]] = [functools.partial(kind.read, self.env) for kind in kinds.values()]
        steps.append(functools.partial(unknown, self.env, known))
        read = together(steps)
        return {name: section for name, section in zip(kinds, read, strict=False) if section is not None}

    @property
    def settings(self) -> ChassisSettings:
        return cast(ChassisSettings, self.sections[""])


SANDBOX = {
    "play": "keep the suite and a pretend city up, with cases in every state",
    "demo": "play cases through all five services, and judge how they ended",
}
"""Commands of the pretend city, each a module of it that is run."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code, see CODES; wrong arguments raise SystemExit(2)."""
    try:
        code = run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has had enough; what Python still wants to write at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def run(args: list[str]) -> int:
    if args and args[0] in SANDBOX:
        return run_sandbox(*args)
    parser = argparse.ArgumentParser(
        prog="tongban", description="Government services: apply once, online.", epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"tongban {version('tongban')}")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_commands(sub)
    if not args or args[0] not in sub.choices:
        brought = discovery.commands()
        if args and args[0] in brought:
            return brought[args[0]](args[1:])
        for name, function in brought.items():
            sub.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        for name, text in SANDBOX.items():
            sub.add_parser(name, help=text)
    given = parser.parse_args(args)
    given.began = Clock().ticks()
    code: int = given.run(given, Setup())
    return code


def add_commands(sub: Any) -> None:
    def command(name: str, run: Callable[[argparse.Namespace, Setup], int], text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = sub.add_parser(
            name, help=text, description=text, epilog=CODES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(run=run)
        return parser

    text = "run all services, or the named ones, until a signal; to try them out: tongban play"
    serve = command("serve", run_serve, text)
    serve.add_argument("services", nargs="*", metavar="SERVICE")
    serve.add_argument("--processes", action="store_true", help="one process a service, behind a front door")
    serve.add_argument("--port", type=port, help="port of this process (default: TONGBAN_PORT, which is 8080 if unset)")
    serve.add_argument("--join", action="store_true", help="work in a folder that another suite holds (TONGBAN_JOIN)")
    known = command("topics", run_topics, "print every topic with partitions and subscribers, or who may do what there")
    known.add_argument(
        "--acl", action="store_true", help="print Kafka's access rules, as kafka-acls.sh --add takes them"
    )
    known.add_argument("--apply", action="store_true", help="with --acl: make what is missing, topics and rules")
    known.add_argument(
        "--principal", default="User:{}", help="with --acl: how Kafka names a service or portal (%(default)s)"
    )
    known.add_argument("--together", action="store_true", help="with --acl: one process holds all services, as suite")
    command("stores", run_stores, "print every service's database at MongoDB, and the command that makes its user")
    dead = command("deadletters", run_deadletters, "list, show, replay or drop dead letters; resume a halted topic")
    dead.add_argument("action", choices=["list", "show", "replay", "drop", "resume"])
    dead.add_argument("service")
    dead.add_argument("case", nargs="?", help="a case as it is listed; for resume a topic")
    dead.add_argument("--url", help="address of the suite (default: that of TONGBAN_HOST and TONGBAN_PORT)")
    dead.add_argument("--token", default=os.environ.get("TONGBAN_TOKEN", ""), help="operator's bearer token")
    saved = command("backup", run_backup, "copy everything of an embedded suite to a new folder, while it runs")
    saved.add_argument("folder", type=Path)
    seen = command("doctor", run_doctor, "say what is set, reachable and missing, of all services or the named ones")
    seen.add_argument("services", nargs="*", metavar="SERVICE")
    command("env", run_env, "print .env.example, the manual of all settings")
    key = command("key", run_key, "make an API key for a portal, or keys of personal data")
    key.add_argument("portal", nargs="?", help="name of the portal")
    key.add_argument("--data", action="store_true", help="make what TONGBAN_KEYS and TONGBAN_TAG_SECRET need")
    key.add_argument("--algorithm", choices=["aes-256-gcm", "sm4-gcm"], default="aes-256-gcm", help="(%(default)s)")
    key.add_argument("--id", default="k1", help="id of the new key of personal data (%(default)s)")
    turned = command("rotate", run_rotate, "list the secrets; put a new value of one before the old, or end the old")
    turned.add_argument("variable", nargs="?", help="the secret, as it is listed")
    turned.add_argument("name", nargs="?", help="whose, where there are several: a portal, a partner")
    turned.add_argument("--end", action="store_true", help="leave the old value out, where nothing needs it any more")


def run_rotate(args: argparse.Namespace, setup: Setup) -> int:
    from chassis.run.rotating import rotate

    return rotate(args, setup.settings, setup.env, setup.sections)


def port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no port; it must be a whole number from 1 to 65535")
    return int(text)


def run_serve(args: argparse.Namespace, setup: Setup) -> int:
    sections = setup.sections
    from chassis.run.serving import serve

    return serve(args, setup.settings, setup.env, sections)


def run_sandbox(name: str, *rest: str) -> int:
    """A command of the pretend city, with options of its own; an image for a city does not hold it."""
    module = f"sandbox.{name}"
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        print(f"此安装不含沙箱城市, 不能运行 tongban {name} (the pretend city is not installed here)", file=sys.stderr)
        return 1
    sys.argv = [f"tongban {name}", *rest]
    runpy.run_module(module, run_name="__main__")
    return 0


def run_topics(args: argparse.Namespace, setup: Setup) -> int:
    if args.acl:
        return run_rights(args, setup)
    settings = setup.settings
    from chassis.run.suite import describe_unaddressed
    from chassis.run.topics import topics

    heard: dict[str, list[str]] = {}
    for service in describe_unaddressed(settings, setup.env):
        for topic in topics(service, settings.portals):
            heard.setdefault(topic, []).append(service.name)
        heard.setdefault(f"{service.name}.dead", []).append("operators")
    for portal in settings.portals:
        heard.setdefault(f"answers.{portal}", []).append(f"portal {portal}")
    rows = [{"topic": topic, "partitions": settings.partitions, "heard_by": heard[topic]} for topic in sorted(heard)]
    show(rows, args.json, lambda r: f"{r['topic']:<24}{r['partitions']:>4}  {', '.join(r['heard_by'])}")
    return 0


def run_rights(args: argparse.Namespace, setup: Setup) -> int:
    settings = setup.settings
    from chassis.bus import BusDown
    from chassis.run.principals import rules
    from chassis.run.suite import describe_unaddressed
    from chassis.web.auth import Portals

    applying = Portals(settings.portal_keys).applying
    services = describe_unaddressed(settings, setup.env)
    wanted = rules(services, settings.portals, applying, args.principal, together=args.together)
    if not args.apply:
        rows = [{**asdict(rule), "rule": rule.words()} for rule in wanted]
        show(rows, args.json, lambda r: r["rule"])
        return 0
    try:
        from chassis.run.granting import granted

        show(granted(settings, wanted), args.json, lambda r: f"{r['state']:<8}{r['rule']}")
    except BusDown as error:
        print(f"{settings.bus}: {error}", file=sys.stderr)
        return 1
    return 0


def run_stores(args: argparse.Namespace, setup: Setup) -> int:
    from chassis.run.principals import users
    from chassis.run.suite import describe_unaddressed

    show(users(describe_unaddressed(setup.settings, setup.env)), args.json, lambda r: r["command"])
    return 0


def run_deadletters(args: argparse.Namespace, setup: Setup) -> int:
    from chassis.run.asking import deadletters

    setproctitle("tongban deadletters")  # a token may stand among the arguments
    if args.action != "list" and not args.case:
        print(f"deadletters {args.action} needs a case", file=sys.stderr)
        return 2
    return deadletters(args, args.url or setup.settings.url)


def run_doctor(args: argparse.Namespace, setup: Setup) -> int:
    """Exit code 1 when something needed is missing."""
    sections = setup.sections
    from chassis.run.doctor import examined

    rows = examined(setup.settings, setup.env, sections, args.services)
    show(rows, args.json, lambda r: f"{r['state']:<8}{r['what']:<28}{r['found']}")
    return 0 if all(row["state"] in ("ok", "closed") for row in rows) else 1


def run_backup(args: argparse.Namespace, setup: Setup) -> int:
    from chassis.run.backup import NoBackup, backup

    try:
        rows = [{"copied": str(path)} for path in backup(setup.settings, args.folder)]
    except NoBackup as error:
        print(f"no backup: {error}", file=sys.stderr)
        return 1
    show(rows, args.json, lambda r: r["copied"])
    return 0


def run_env(args: argparse.Namespace, setup: Setup) -> int:
    if args.json:
        show([row for section in discovery.sections().values() for row in section.table()], True, str)
    else:
        print(manual(), end="")
    return 0


def manual() -> str:
    """`.env.example`: every setting of the chassis and of the services, with its default."""
    head = "# Settings of Tongban; copy to .env and change what you need. Generated: tongban env > .env.example\n"
    form = "# Lines NAME=value; quotes, `export` and comments are as in a shell, and nothing is substituted.\n\n"
    return head + form + "\n".join(section.manual() for section in discovery.sections().values())


def run_key(args: argparse.Namespace, setup: Setup) -> int:
    from chassis.run import minting

    if bool(args.portal) == args.data:
        print("tongban key makes either an API key for a PORTAL, or with --data keys of personal data", file=sys.stderr)
        return 2
    return minting.data(args) if args.data else minting.portal(args)


if __name__ == "__main__":
    sys.exit(main())
