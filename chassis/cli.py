"""The `tongban` command: serve, play, demo, topics, deadletters, doctor, key, env, and what services add.

It reads arguments and calls; this module must never hold logic of its own or import the sandbox.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import logging
import os
import pkgutil
import runpy
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
import uvloop

from chassis.auth import new_key
from chassis.settings import ChassisSettings, Section, SettingsError, environment

T = TypeVar("T")

SANDBOX = {
    "play": "keep the suite and a pretend city up, with cases in every state",
    "demo": "play cases through all five services, and judge how they ended",
}
"""Commands of the pretend city, each a module of it that is run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 = done, 1 = not done (said why), 2 = wrong arguments or settings."""
    args = list(sys.argv[1:] if argv is None else argv)
    commands = service_commands()
    if args and args[0] in commands:
        return commands[args[0]](args[1:])
    if args and args[0] in SANDBOX:
        return run_sandbox(*args)
    parser = argparse.ArgumentParser(prog="tongban", description="Government services: apply once, online.")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_commands(sub)
    for name, function in commands.items():
        sub.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
    for name, text in SANDBOX.items():
        sub.add_parser(name, help=text)
    given = parser.parse_args(args)
    try:
        env = environment(os.environ)
        settings = ChassisSettings.read(env)
        code: int = given.run(given, settings, env)
        return code
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr)
        return 2


def add_commands(sub: Any) -> None:
    def command(name: str, run: Callable[..., int], text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = sub.add_parser(name, help=text, description=text)
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(run=run)
        return parser

    serve = command("serve", run_serve, "run all services, or the named ones; to try them out: tongban play")
    serve.add_argument("services", nargs="*", metavar="SERVICE")
    serve.add_argument("--processes", action="store_true", help="one process a service, behind a front door")
    serve.add_argument("--port", type=int, help="port of this process")
    command("topics", run_topics, "print every topic with partitions, publishers and subscribers")
    dead = command("deadletters", run_deadletters, "list, show, replay or drop dead letters; resume a halted topic")
    dead.add_argument("action", choices=["list", "show", "replay", "drop", "resume"])
    dead.add_argument("service")
    dead.add_argument("case", nargs="?", help="a case as it is listed; for resume a topic")
    dead.add_argument("--url", default="http://127.0.0.1:8080")
    dead.add_argument("--token", default=os.environ.get("TONGBAN_TOKEN", ""), help="operator's bearer token")
    command("doctor", run_doctor, "say what is set, reachable and missing")
    command("env", run_env, "print .env.example, the manual of all settings")
    key = command("key", run_key, "make an API key for a portal")
    key.add_argument("portal")


def service_commands() -> dict[str, Callable[[list[str]], int]]:
    """Commands that services bring along, in `services/<name>/commands.py` as COMMANDS."""
    import services

    found: dict[str, Callable[[list[str]], int]] = {}
    for module in pkgutil.iter_modules(services.__path__):
        name = f"services.{module.name}.commands"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            found.update(importlib.import_module(name).COMMANDS)
    return found


def run_serve(args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str]) -> int:
    from chassis.suite import Suite, chosen, discover

    log_to_stderr(settings.log_level)
    try:
        builds = chosen(discover(), args.services)
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    if args.processes:
        return looped(serve_processes(settings, list(builds)))
    suite = Suite(settings, env, builds, args.port)
    return looped(until_signal(suite.run))


async def serve_processes(settings: ChassisSettings, names: list[str]) -> int:
    from chassis.clock import Clock
    from chassis.processes import Processes
    from chassis.sealing import load_keyring

    settings.dir.mkdir(parents=True, exist_ok=True)
    load_keyring(settings)  # made once here, before five processes would each make their own
    return await until_signal(Processes(settings, names, Clock()).run)


async def until_signal(run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Runs until SIGTERM or SIGINT; a failure of the run is said and becomes exit code 1."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        await run(stop)
    except BaseExceptionGroup as group:
        logging.getLogger("tongban").critical("ended: %s", "; ".join(last_words(group)))
        return 1
    except Exception as error:  # noqa: BLE001  (the last word of the process, whatever ended it)
        logging.getLogger("tongban").critical("ended: %s: %s", type(error).__name__, error)
        return 1
    return 0


def last_words(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """Type and place of every failure in a group; no values."""
    from chassis.document import describe

    words: list[str] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            words += last_words(error)
        elif isinstance(error, Exception):
            words.append(f"{describe(error)} {error}" if type(error).__name__ == "Stalled" else describe(error))
    return words


def looped(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)


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
    try:
        runpy.run_module(module, run_name="__main__")
    except KeyboardInterrupt:  # while it was still being loaded; later it ends by itself
        return 130
    return 0


def run_topics(args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str]) -> int:
    from chassis.line import topics
    from chassis.suite import describe_services

    heard: dict[str, list[str]] = {}
    for service in describe_services(settings, env):
        for topic in topics(service, settings.portals):
            heard.setdefault(topic, []).append(service.name)
        heard.setdefault(f"{service.name}.dead", []).append("operators")
    for portal in settings.portals:
        heard.setdefault(f"answers.{portal}", []).append(f"portal {portal}")
    rows = [{"topic": topic, "partitions": settings.partitions, "heard_by": heard[topic]} for topic in sorted(heard)]
    show(rows, args.json, lambda r: f"{r['topic']:<24}{r['partitions']:>4}  {', '.join(r['heard_by'])}")
    return 0


def run_deadletters(args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str]) -> int:
    if args.action != "list" and not args.case:
        print(f"deadletters {args.action} needs a case", file=sys.stderr)
        return 2
    room = "topics" if args.action == "resume" else "dead-letters"
    path = f"/{args.service}/operators/{room}" + (f"/{args.case}" if args.case else "")
    if args.action in ("replay", "drop", "resume"):
        path += f"/{args.action}"
    method = "GET" if args.action in ("list", "show") else "POST"
    status, body = asyncio.run(call(method, args.url + path, args.token))
    rows = body.get("items") or body.get("letters") or [body]
    show(rows, args.json, lambda r: "  ".join(f"{k}={v}" for k, v in r.items() if v not in (None, "")))
    return 0 if status == 200 else 1


async def call(method: str, url: str, token: str) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers=headers) as answer,
        ):
            return answer.status, await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError) as error:
        return 0, {"problem": f"{url}: {type(error).__name__}"}


def run_doctor(args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str]) -> int:
    """Checks settings, bus, stores, keys, issuer and calendar; exit code 1 when something needed is missing."""
    from chassis.doctor import examine

    rows = asyncio.run(examine(settings, env))
    show(rows, args.json, lambda r: f"{'ok  ' if r['ok'] else 'FAIL'}  {r['what']:<28}{r['found']}")
    return 0 if all(row["ok"] for row in rows) else 1


def run_env(args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str]) -> int:
    print(manual(), end="")
    return 0


def manual() -> str:
    """`.env.example`: every setting of the chassis and of the services, with its default."""
    import services

    sections: list[type[Section]] = [ChassisSettings]
    for module in pkgutil.iter_modules(services.__path__):
        name = f"services.{module.name}.settings"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            sections.append(importlib.import_module(name).Settings)
    head = "# Settings of Tongban; copy to .env and change what you need. Generated: tongban env > .env.example\n\n"
    return head + "\n".join(section.manual() for section in sections)


def run_key(args: argparse.Namespace, settings: ChassisSettings, env: Mapping[str, str]) -> int:
    key, entry = new_key(args.portal)
    row = {"key": key, "entry": entry}
    show([row], args.json, lambda r: f"key (give it to the portal, it is not kept): {r['key']}\n"
         f"add to TONGBAN_PORTAL_KEYS: {r['entry']}")  # fmt: skip
    return 0


def show(rows: Sequence[Mapping[str, Any]], as_json: bool, line: Callable[[Any], str]) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2, default=str))
    else:
        print("\n".join(line(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
