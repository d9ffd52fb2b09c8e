"""`tongban play`: the suite and the pretend city stay up, with cases in every state, until Ctrl-C.

It starts, tells, prints and ends; this module must never import a service, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import aiohttp

from sandbox import command
from sandbox.demo import START
from sandbox.processes import NEEDED
from sandbox.stories_living import Living
from sandbox.town import Town
from sandbox.wayin import WayIn, granted
from sandbox.world import WorldError

PORT, CITY_PORT = 8080, 9090
HANDY = Path("build/play.env")
ENDED = "已结束 (ended)"


async def play(options: argparse.Namespace, world: Town) -> int:
    """Plays until it is cancelled; 1 when it could not begin, or when the suite ended by itself."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f}s] {text}", flush=True)

    try:
        stories = Living(world, options.seed, say)
        say("启动套件与沙箱城市 (starting)")
        took = await world.start(START)
        say(f"五个服务就绪({took:.1f} 秒)")
        world.city.messages.texts = await approved(world)
        await stories.ordinary()
        await stories.beside()
        await stories.before()
        await stories.after()
        legal = datetime.fromisoformat((await world.clock())["legal"])
        way = WayIn(world, granted(world), await stories.samples(), legal, options.handy)
        options.handy.write_text(way.exports(), "utf-8")
        print(f"\n{way.printed()}\n", flush=True)
        say("就绪, Ctrl-C 结束 (ready; Ctrl-C ends it)")
        code = await world.gone()
    except WorldError as error:
        print(f"未能就绪: {error}", file=sys.stderr)
    except aiohttp.ClientError as error:
        print(f"未能就绪: {type(error).__name__}\n{world.last_words()}", file=sys.stderr)
    else:
        print(f"套件意外结束, 退出码 {code}\n{world.last_words()}", file=sys.stderr)
    finally:
        await world.stop()
    return 1


async def approved(world: Town) -> dict[str, str]:
    """What the providers of text messages have approved, by template id: the office's own templates, read at its public
    door with `${name}` in the place of each value."""
    office = world.office("supervisor")
    shown = (await office.call("GET", "/notify/templates")).body["items"]
    found: dict[str, str] = {}
    for one in shown:
        if one["channel"] == "sms":
            values = {name: f"${{{name}}}" for name in one["variables"]}
            heard = await office.call("POST", f"/notify/templates/{one['name']}/preview", values)
            found[one["ids"]["aliyun"]] = heard.body["text"]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser("play", "Keeps the suite and a pretend city up, with cases in every state, until Ctrl-C.")
    parser.add_argument("--port", type=command.port, default=PORT, help=f"port of the suite (default {PORT})")
    parser.add_argument(
        "--city-port", type=command.port, default=CITY_PORT, help=f"port of the pretend city (default {CITY_PORT})"
    )
    parser.add_argument(
        "--handy", type=Path, default=HANDY, metavar="FILE", help=f"addresses and tokens for a shell (default {HANDY})"
    )
    options = parser.parse_args(arguments)
    try:
        command.free(options.port, NEEDED[options.mode], "--port")
        command.free(options.city_port, 1, "--city-port")
        with command.folder(options.keep, "play") as directory:
            world = Town(
                directory, port=options.port, city_port=options.city_port,
                mode=options.mode, bus=options.bus, store=options.store,
            )  # fmt: skip
            command.private(options.handy)
            try:
                code = command.ended_by(play(options, world))
            finally:
                options.handy.unlink(missing_ok=True)
    except command.Refused as error:
        print(error, file=sys.stderr)
        return 1
    if code <= 128:
        return code
    print(f"\n{ENDED}", flush=True)
    return 1 if world.code else 0


if __name__ == "__main__":
    sys.exit(main())
