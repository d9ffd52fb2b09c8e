"""The routes that show what citizens and officers read.

One look at the book each; this module must never decide who is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Body

from chassis.decision import Caller, Reject
from chassis.law.rights import ROLES, Right, officers
from chassis.web.answers import Answer, Route, answer
from chassis.web.door import Door
from chassis.web.http import may
from services.notify.shapes import Notice, Notices
from services.notify.texts.book import Book, Lengths, Template, previewed, previews

READS = Right("Templates are of no case: every officer may read what citizens are told.", officers(*ROLES))


def routes(book: Book, sign: str, lengths: Lengths, door: Door) -> APIRouter:
    """`/notify/templates`; `sign` stands before text messages, `lengths` is how these are counted."""
    router = APIRouter(route_class=Route)

    @router.get("/templates")
    async def templates(by: Caller = may(READS)) -> Answer[Notices]:
        """通知模板 all templates

        What citizens and officers read, with sample values, length and segments.
        """
        found: Notices = {"items": previews(book, sign, lengths)}
        return answer(found)

    @router.post("/templates/{name}/preview")
    async def preview_template(
        name: str,
        values: Annotated[dict[str, str], Body(examples=[{"title": "食品经营许可(餐饮)", "promised": "3月12日"}])],
        channel: Literal["sms", "email", "wechat"] = "sms",
        language: Literal["zh", "en"] = "zh",
        by: Caller = may(READS),
    ) -> Answer[Notice]:
        """试读通知 one notice with these values

        As this channel tells it in this language.
        """
        found = template(book, channel, name, language, values)
        return answer(previewed(name, found, sign, values, channel, language, lengths))

    return router


def template(book: Book, channel: str, name: str, language: str, values: Mapping[str, str]) -> Template:
    """Raises Reject `not_found` for no such template, `variable_unknown` for a value that it does not have."""
    found = book.pages.get((channel, language), {}).get(name)
    if found is None:
        raise Reject("not_found", "没有这个模板", status=404)
    for variable in values:
        if variable not in found.variables:
            raise Reject("variable_unknown", f"模板只有 {', '.join(found.variables)}", variable[:40], 422)
    return found
