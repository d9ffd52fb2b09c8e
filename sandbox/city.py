"""The pretend city as one HTTP server: partners with faults and counts on demand.

Runs as `python -m sandbox.city` or inside a test; it listens on 127.0.0.1 only and must never import a service.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from sandbox.carrier import Carrier
from sandbox.citytime import CityTime, SuiteClock, reading_of
from sandbox.ems import Ems
from sandbox.faults import PARTNERS, Act, Fault, Faults
from sandbox.given import written
from sandbox.huawei import HuaweiSms
from sandbox.identity import Issuer
from sandbox.kuaidi100 import Kuaidi100
from sandbox.mail import Mail
from sandbox.messages import Messages
from sandbox.officers import OFFICERS
from sandbox.portal import PortalHooks
from sandbox.push import Pusher
from sandbox.registers import Registers
from sandbox.serving import BadRequest, Partner, Paths, reply
from sandbox.sf import Sf
from sandbox.shared import SHARED, Shared
from sandbox.sms import SmsProvider
from sandbox.standard import Standard
from sandbox.tencent import TencentSms
from sandbox.wechat import WeChat

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the city behaves. `port` and `mail_port` 0 take a free one. Callbacks are paths on the suite, or whole
    addresses; an empty one is never called, None stands for that of the suite with the secret in it. `sms_daily` is the
    SMS limit of a number, 0 for none; `tencent_context` see TencentSms."""

    port: int = 0
    mail_port: int = 0
    suite: str = ""
    seed: int = 1
    speed: float = 100.0
    instant: bool = False
    sms_reports: str | None = None
    sms_replies: str | None = None
    sms_daily: int = 50
    tencent_reports: str | None = None
    tencent_replies: str | None = None
    tencent_context: bool = True
    huawei_replies: str | None = None
    ems_traces: str = "/courier/webhooks/ems/traces"
    ems_legacy: str = "/courier/webhooks/ems/traces"
    kuaidi100_traces: str = "/courier/webhooks/kuaidi100/traces"
    sf_routes: str | None = None
    standard_scans: str = "/courier/webhooks/standard/sandbox"
    wechat_events: str | None = None
    ems_query: str = "020010"
    audience: str = "tongban"
    shared: Shared = SHARED

    def callback(self, name: str, path: str) -> str:
        """That of one sort of pushes whose address is a secret."""
        given: str | None = getattr(self, name)
        return path if given is None else given


class City:
    """`start` binds the ports and begins to push; `stop` ends both. `legal` replaces asking the suite for its clock.

    `faults`, `time` and the partners are there for tests to look at and to act on directly.
    """

    def __init__(self, options: Options | None = None, legal: Callable[[], datetime] | None = None) -> None:
        self.options = options or Options()
        o, known = self.options, self.options.shared
        self._clock = SuiteClock(self._http, o.suite)
        self.time = CityTime(reading_of(legal) if legal else self._clock, o.speed, o.instant)
        self.faults = Faults(o.seed, self.time.now)
        self.sms = SmsProvider(self.time, self._http, self.faults, daily=o.sms_daily)
        self.ems = Ems(
            self.time, self._http, self.faults,
            secret=known.ems, push_key=known.ems_pushes, query=o.ems_query, seed=o.seed,
        )  # fmt: skip
        self.tencent = TencentSms(self.time, self._http, self.faults, secret=known.tencent, context=o.tencent_context)
        self.huawei = HuaweiSms(self.time, self._http, self.faults, secret=known.huawei)
        self.issuer = Issuer(self.faults, OFFICERS, audience=o.audience, secret=known.officers)
        self.registers = Registers(self.faults)
        self.kuaidi100 = Kuaidi100(self.time, self._http, self.faults, salt=known.kuaidi100)
        self.sf = Sf(self.time, self._http, self.faults)
        self.standard = Standard(self.time, self._http, self.faults, secrets=known.standard)
        self.carriers: tuple[Carrier, ...] = (self.kuaidi100, self.sf, self.standard)
        self.mailbox = Mail(self.faults)
        self.wechat = WeChat(self.time, self._http, self.faults, secret=known.wechat, token=known.wechat_pushes)
        self.providers: Mapping[str, SmsProvider] = {"aliyun": self.sms, "tencent": self.tencent, "huawei": self.huawei}
        self.messages = Messages(self.time, self.providers, self.mailbox, self.wechat)
        self.portal = PortalHooks("portal", "/portal/hooks", self.faults, secret=known.portal)
        self.portal_other = PortalHooks("portal_other", "/portal/hooks/other", self.faults, secret=known.portal)
        self.partners: tuple[Partner, ...] = (
            *self.providers.values(), self.ems, self.issuer, self.registers, *self.carriers,
            self.mailbox, self.wechat, self.portal, self.portal_other,
        )  # fmt: skip
        sms, tencent, huawei, wechat = (
            f"/notify/webhooks/{name}/{known.pushes}/" for name in ("aliyun", "tencent", "huawei", "wechat")
        )
        self.pushers: tuple[tuple[Pusher[Any], str], ...] = (
            (self.sms.reports, o.callback("sms_reports", f"{sms}reports")),
            (self.sms.replies, o.callback("sms_replies", f"{sms}replies")),
            (self.tencent.reports, o.callback("tencent_reports", f"{tencent}reports")),
            (self.tencent.replies, o.callback("tencent_replies", f"{tencent}replies")),
            (self.huawei.reports, ""),  # each message names the address of its own
            (self.huawei.replies, o.callback("huawei_replies", f"{huawei}replies")),
            (self.ems.traces, o.ems_traces),
            (self.ems.legacy, o.ems_legacy),
            (self.kuaidi100.pushes, o.kuaidi100_traces),
            (self.sf.pushes, o.callback("sf_routes", f"/courier/webhooks/sf/{known.sf}/routes")),
            (self.standard.pushes, o.standard_scans),
            (self.wechat.events, o.callback("wechat_events", f"{wechat}events")),
        )
        self.url = ""
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.point(o.suite)

    @property
    def mail(self) -> str:
        """host:port of the mail server, known once the city has started."""
        return self.mailbox.address

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    def point(self, suite: str) -> None:
        """Sets or changes the suite's address, which may be known only after the city has started."""
        suite = suite.rstrip("/")
        self._clock.suite = suite
        for pusher, callback in self.pushers:
            pusher.url = callback if "://" in callback else suite + callback if suite and callback else ""

    async def start(self) -> None:
        """Raises OSError when a port is taken."""
        paths = Paths()
        for partner in self.partners:
            partner.paths(paths)
        self.messages.paths(paths)
        paths.add("GET", "/health", self._health)
        paths.add("GET", "/counts", self._counts)
        paths.add("GET", "/faults", self._faults)
        paths.add("POST", "/faults", self._add_fault)
        paths.add("DELETE", "/faults", self._clear_faults)
        paths.add("POST", "/faults/script", self._script)
        paths.add("GET", "/clock", self._show_clock)
        paths.add("POST", "/clock/refresh", self._refresh_clock)
        self._runner = web.ServerRunner(web.Server(paths, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.options.port)
        try:
            await site.start()
            await self.mailbox.listen(HOST, self.options.mail_port)
        except OSError:
            await self.stop()
            raise
        port = self._runner.addresses[0][1]
        self.url = self.issuer.url = self.ems.url = f"http://{HOST}:{port}"
        await self.time.refresh()
        running: list[Coroutine[Any, Any, None]] = [self.time.run(), *(pusher.run() for pusher, _ in self.pushers)]
        self._tasks = [asyncio.create_task(work) for work in running]

    async def stop(self) -> None:
        """Ends pushing, cuts silent calls short, closes the port. May be called twice."""
        for partner in self.partners:
            partner.stopping.set()
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.mailbox.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._session is not None:
            await self._session.close()
            self._session = None
        for result in ended:
            if isinstance(result, Exception):
                raise result

    def counts(self, brief: bool = False, partner: str = "") -> dict[str, Any]:
        """What really happened: per partner `requests` by operation, `effects` by key, `faults`, `pushes`."""
        return {p.name: p.ledger.shown(brief) for p in self.partners if partner in ("", p.name)}

    async def _health(self, _request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        dead = [task for task in self._tasks if task.done()]
        return reply({"ok": not dead}, 503 if dead else 200)

    async def _counts(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """`?brief=1` leaves the single keys out, `?partner=` chooses one."""
        query = request.query
        return reply(self.counts(query.get("brief", "") in ("1", "true"), query.get("partner", "")))

    async def _faults(self, _request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        return reply({"faults": self.faults.listed(), "coming": self.faults.coming()})

    async def _script(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """A whole bad day at once: a list of lines, see sandbox.faults.Act."""
        self.faults.play(msgspec.json.decode(await request.read(), type=list[Act]))
        return reply({"faults": self.faults.listed(), "coming": self.faults.coming()}, 201)

    async def _add_fault(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """One fault or a list of them; see sandbox.faults.Fault."""
        body = await request.read()
        given = msgspec.json.decode(body, type=list[Fault] | Fault)
        for fault in given if isinstance(given, list) else [given]:
            self.faults.add(fault)
        return reply({"faults": self.faults.listed()}, 201)

    async def _clear_faults(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        partner = request.query.get("partner", "")
        if partner not in ("", "*", *PARTNERS):
            raise BadRequest(f"partner is one of {', '.join(PARTNERS)}")
        self.faults.clear(partner)
        return reply({"faults": self.faults.listed()})

    async def _show_clock(self, _request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        return reply({"legal": self.time.legal().isoformat(), "city_seconds": self.time.now()})

    async def _refresh_clock(self, request: web.BaseRequest, rest: str) -> web.StreamResponse:
        """Hears the suite's clock now, as after moving it; otherwise that takes a quarter of a second."""
        await self.time.refresh()
        return await self._show_clock(request, rest)


def options(arguments: Sequence[str] | None = None) -> tuple[Path | None, Options]:
    """Where the suite's settings go, and how the city behaves."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.city", description=__doc__)
    usual = Options()
    parser.add_argument("--port", type=int, default=9090, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--mail-port", type=int, default=0, help="port of the mail server; 0 takes a free one")
    parser.add_argument("--suite", default="http://127.0.0.1:8080", help="the suite's address")
    parser.add_argument("--seed", type=int, default=usual.seed, help="seed of faults and numbers")
    parser.add_argument("--speed", type=float, default=usual.speed, help="city seconds per real second")
    parser.add_argument("--instant", action="store_true", help="receipts and scans come at once")
    for name, text in (
        ("sms_reports", "callback of SMS receipts"),
        ("sms_replies", "callback of SMS replies"),
        ("tencent_reports", "callback of Tencent's receipts"),
        ("tencent_replies", "callback of Tencent's replies"),
        ("huawei_replies", "callback of Huawei's replies"),
        ("ems_traces", "callback of EMS traces"),
        ("ems_legacy", "callback of EMS traces in the legacy format"),
        ("kuaidi100_traces", "callback of 快递100's histories"),
        ("sf_routes", "callback of 顺丰's routes"),
        ("standard_scans", "callback of the courier by Standard Webhooks"),
        ("wechat_events", "callback of WeChat's events"),
        ("ems_query", "apiCode of the EMS order query"),
        ("audience", "audience of officers' tokens"),
    ):
        parser.add_argument(f"--{name.replace('_', '-')}", default=getattr(usual, name), help=text)
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="write the suite's settings there, for the owner alone"
    )
    parser.add_argument("--sms-daily", type=int, default=usual.sms_daily, help="SMS per number and day, 0 = any")
    given = vars(parser.parse_args(arguments))
    return given.pop("settings"), Options(**given)


async def serve(city: City, settings: Path | None) -> None:
    """Runs until SIGTERM or SIGINT; the first line on standard output says where. What it has agreed on with the suite
    is in the file `settings` then."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await city.start()
    if settings is not None:
        await asyncio.to_thread(written, settings, city, "demo")
    print(msgspec.json.encode({"city": city.url, "mail": city.mail}).decode(), flush=True)
    await ended.wait()
    await city.stop()


def main() -> None:
    settings, chosen = options()
    city = City(chosen)
    if sys.platform == "win32":
        asyncio.run(serve(city, settings))
    else:
        import uvloop

        uvloop.run(serve(city, settings))


if __name__ == "__main__":
    main()
