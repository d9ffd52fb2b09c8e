"""The way into a suite that `tongban play` keeps up: who may do what with which token, what to look at, what to paste.

It prints and writes a file for shells; this module must never start or change anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sandbox.officers import BY_ID, Officer
from sandbox.stories_living import COURIER, WAYBILL, Sample
from sandbox.story_judge import width
from sandbox.town import Town
from sandbox.world import PORTAL

LIFETIME = 24 * 3600.0
"""Seconds that the printed tokens live: longer than anybody plays in one go."""

STAFF = {
    "WINDOW": "sj-window-1",
    "HANDLER": "sj-handler-1",
    "CHECKER": "sj-checker-1",
    "APPROVER": "sj-approver-1",
    "ISSUER": "sj-issuer-1",
    "SUPERVISOR": "jc-supervisor-1",
    "OPERATOR": "yw-operator-1",
    "EDITOR": "sx-editor-1",
    "PUBLISHER": "sx-publisher-1",
}
"""Whose tokens are given out, by the middle of their variable's name: who can take the sample case to its end, and who
looks after the whole."""


@dataclass(frozen=True, slots=True)
class WayIn:
    """`tokens` by the keys of STAFF; `samples` begins with the case that waits at the counter; `legal` is the legal
    time, `handy` the file for shells."""

    world: Town
    tokens: Mapping[str, str]
    samples: Sequence[Sample]
    legal: datetime
    handy: Path

    @property
    def sample(self) -> Sample:
        return self.samples[0]

    def variables(self) -> dict[str, str]:
        """What the file exports. PLAY_BUS, PLAY_STORE and PLAY_DIR are what TONGBAN_BUS, TONGBAN_STORE and TONGBAN_DIR
        are to this suite; the bus and the store are empty where they are embedded in the folder."""
        world, sample = self.world, self.sample
        correcting = next(one.case for one in self.samples if one.status == "correcting")
        return {
            "PLAY_URL": world.url,
            "PLAY_CITY": world.city.url,
            "PLAY_PORTAL": PORTAL,
            "PLAY_PORTAL_KEY": world.key,
            "PLAY_PORTAL_SECRET": world.city.options.shared.portal,
            **{f"PLAY_{post}_TOKEN": token for post, token in self.tokens.items()},
            "PLAY_CASE": sample.case,
            "PLAY_NUMBER": sample.number,
            "PLAY_PHONE": sample.phone,
            "PLAY_CORRECTING": correcting,
            "PLAY_COURIER": COURIER,
            "PLAY_COURIER_SECRET": world.city.options.shared.standard[0],
            "PLAY_EMS_PUSH_KEY": world.city.options.shared.ems_pushes,
            "PLAY_KUAIDI100_SALT": world.city.options.shared.kuaidi100,
            "PLAY_SF_SECRET": world.city.options.shared.sf,
            "PLAY_PUSH_SECRET": world.city.options.shared.pushes,
            "PLAY_WAYBILL": WAYBILL,
            "PLAY_BUS": world.bus_url,
            "PLAY_STORE": world.store_url,
            "PLAY_DIR": str(world.directory),
        }

    def exports(self) -> str:
        """The variables as lines for a shell."""
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.variables().items())

    def printed(self) -> str:
        """The long tokens first, so that what a person reads stands together at the end."""
        world, sample = self.world, self.sample
        url, city, handy = world.url, world.city.url, shlex.quote(str(self.handy))
        staff = {post: BY_ID[id] for post, id in STAFF.items()}
        tokens = [f"{who(officer)}\n{self.tokens[post]}" for post, officer in staff.items()]
        rows = [(one.kind, one.number, one.phone, one.label, one.title) for one in self.samples]
        jump = f"""curl -X PUT {url}/clock -H 'Content-Type: application/json' -d '{{"to": "{self.tomorrow}"}}'"""
        places = [
            ("套件 suite", url),
            ("接口 API", f"{url}/docs   {url}/openapi.json"),
            ("办件进度 progress", f"{url}/intake/progress?number={sample.number}&phone={sample.phone}"),
            ("沙箱城市 pretend city", city),
            ("短信、邮件、微信 messages", f"{city}/messages"),
            ("法定时钟 legal clock", f"{self.legal:%Y-%m-%d %H:%M}   ({jump})"),
            ("数据与日志 data, log", f"{world.directory}/suite.log"),
            (f"门户 {PORTAL} 的密钥 X-Api-Key", world.key),
        ]
        officers = [(f"$PLAY_{post}_TOKEN", who(officer)) for post, officer in staff.items()]
        window, json = '-H "Authorization: Bearer $PLAY_WINDOW_TOKEN"', "-H 'Content-Type: application/json'"
        pasted = [
            f". {handy}",
            'curl "$PLAY_URL/intake/progress?number=$PLAY_NUMBER&phone=$PLAY_PHONE"',
            'curl -H "X-Api-Key: $PLAY_PORTAL_KEY" $PLAY_URL/intake/cases/$PLAY_CASE',
            f"curl {window} $PLAY_URL/intake/work",
            f"curl {window} {json} -d {{}} $PLAY_URL/intake/cases/$PLAY_CASE/accept",
            "curl $PLAY_CITY/messages",
        ]
        parts = (
            ("令牌 bearer tokens (24 h)", tokens),
            ("■ 通办 Tongban", columns(places)),
            ("■ 工作人员 officers", columns(officers)),
            ("■ 办件 cases: 编号 number, 手机 phone, 状态 status", columns(rows)),
            ("■ 试一试 paste this in another terminal", pasted),
        )
        return "\n\n".join("\n".join((head, *(f"  {line}" for line in lines))) for head, lines in parts)

    @property
    def tomorrow(self) -> str:
        return (self.legal + timedelta(days=1)).isoformat(timespec="seconds")


def granted(world: Town) -> dict[str, str]:
    """A token for everybody of STAFF, from the pretend city's own issuer."""
    return {post: world.city.issuer.token(BY_ID[id], LIFETIME) for post, id in STAFF.items()}


def who(officer: Officer) -> str:
    return f"{officer.id}  {officer.title}  [{', '.join(officer.roles)}]  {officer.department}"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows under one another; a Chinese character takes two columns, and the last cell is as long as it likes."""
    widths = [max(width(row[n]) for row in rows) + 2 for n in range(len(rows[0]) - 1)]
    return [
        "".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=False)) + row[-1]
        for row in rows
    ]
