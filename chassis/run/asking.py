"""`tongban deadletters`: asks a running suite in an operator's name, and shows what it answers.

It speaks HTTP to operators' routes; this module must never open a bus or a store.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import aiohttp

from chassis.run.showing import show


def deadletters(args: argparse.Namespace, url: str) -> int:
    """The exit code: 1 when the suite refuses or cannot be reached."""
    room = "topics" if args.action == "resume" else "dead-letters"
    path = f"/{args.service}/operators/{room}" + (f"/{args.case}" if args.case else "")
    if args.action in ("replay", "drop", "resume"):
        path += f"/{args.action}"
    method = "GET" if args.action in ("list", "show") else "POST"
    status, body = asyncio.run(call(method, url + path, args.token))
    if status != 200:
        found = {"status": status, "problem": body.get("detail") or body.get("title") or "no answer of the suite"}
        if args.json:
            show([body or found], True, str)
        print(f"{method} {url}{path}: {status or ''} {found['problem']}".replace(":  ", ": "), file=sys.stderr)
        return 1
    rows = body["items"] if "items" in body else body.get("letters", [body])
    show(rows, args.json, lambda r: "  ".join(f"{k}={v}" for k, v in r.items() if v not in (None, "")))
    return 0


async def call(method: str, url: str, token: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON object; status 0 where nobody answered."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    limit = aiohttp.ClientTimeout(total=30, sock_connect=5)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.request(method, url, headers=headers) as answer,
        ):
            found = await answer.json(content_type=None)
            return answer.status, found if isinstance(found, dict) else {}
    except aiohttp.InvalidURL:
        return 0, {"detail": "this is no address"}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return 0, {"detail": "no answer of a suite; does it run there?"}
