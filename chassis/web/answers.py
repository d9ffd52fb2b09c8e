"""What a route answers, as a type: `Answer[Shape]`, which the route's return annotation names and `/docs` shows.

A body is encoded as its view built it and never validated again; this module must never import a service or a store.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

import msgspec
from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from typing_extensions import TypedDict

from chassis.decision import State
from chassis.web import described
from chassis.web.door import Page, Told

S = TypeVar("S", bound=State)
T = TypeVar("T")
Shape = TypeVar("Shape", covariant=True)
ETAG: Final = {"ETag": {"description": "所见版本, 可用于 If-Match", "schema": {"type": "string"}, "example": '"3"'}}


class Answer(Response, Generic[Shape]):
    """JSON of this shape: a TypedDict, or a model of contracts."""


class Kept(Answer[Shape]):
    """The same of one document, whose version is its ETag."""


class Listed(TypedDict, Generic[T]):
    """One page of documents, and the cursor of the page that follows."""

    items: list[T]
    next: str | None


def reply(told: Told[S], view: Callable[[S], T], status: int = 200, **headers: str) -> Kept[T]:
    """A document as JSON, with its version as ETag."""
    return Kept(encoded(view(told.state)), status, {"ETag": f'"{told.version}"', **headers}, "application/json")


def page(found: Page[S], view: Callable[[Told[S]], T]) -> Answer[Listed[T]]:
    """A page of documents: `items`, and `next`, the cursor of the page that follows."""
    body: Listed[T] = {"items": [view(told) for told in found.items], "next": found.next}
    return answer(body)


def answer(body: T, status: int = 200) -> Answer[T]:
    """Plain JSON."""
    return Answer(encoded(body), status, None, "application/json")


def encoded(body: Any) -> bytes:
    return msgspec.json.encode(body, enc_hook=plain)


def plain(model: Any) -> Any:
    """A model of contracts inside an answer. Raises NotImplementedError for what else JSON does not know."""
    if isinstance(model, BaseModel):
        return model.model_dump(mode="json")
    raise NotImplementedError(type(model).__name__)


class Route(APIRoute):
    """A route described by its endpoint: title and text by the docstring (first paragraph and the rest), the answer by
    the return annotation. FastAPI is told of that for `/docs` only and touches no answer."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        title, _, rest = (inspect.getdoc(endpoint) or "").partition("\n\n")
        title = " ".join(title.split()).removesuffix(".")
        given["response_description"] = "办妥 done"
        given["summary"] = given.get("summary") or title
        given["description"] = given.get("description") or rest or title
        kind = inspect.get_annotations(endpoint, eval_str=True).get("return")
        origin = get_origin(kind)
        if isinstance(origin, type) and issubclass(origin, Answer):
            content = {"application/json": {"schema": described.shape(*get_args(kind))}}
            said = {"content": content, "headers": ETAG if issubclass(origin, Kept) else {}}
            status, others = given.get("status_code") or 200, given.get("responses") or {}
            more = others.get(status, {})
            for media, told in more.get("content", {}).items():
                content[media] = {**content.get(media, {}), **told}
            said = {**said, **more, "content": content}
            given.update(response_model=None, responses={**others, status: said})
        super().__init__(path, endpoint, **given)
