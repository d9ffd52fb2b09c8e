"""The port of SMS providers: what each declares of itself, what it must do, and what its refusals mean.

It knows no provider's format; this module must never call one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import GenericAlias
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from chassis.clock import Clock
from chassis.decision import Reject, Retry
from chassis.pushing import FORM, JSON, Push
from chassis.sealing import Keyring
from chassis.settings import Section
from chassis.web.reading import decoded, form, mended
from services.notify.errands import REFUSED, SendSms
from services.notify.mailbox.manners import Allowance
from services.notify.texts.book import Lengths

S = TypeVar("S", bound=Section)
T = TypeVar("T")
Means = TypeVar("Means", covariant=True)

RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
UNSET: Final = 60.0
"""Seconds before another look whether somebody has set the secret."""


class Sender(Protocol):
    """What one SMS provider does. `make` sends and returns `{"serial": …}`, the provider's own number; `ask` finds it
    by our reference, and returns None when it was never sent. Both raise Retry, Reject or Unknown as any runner does; a
    Reject of the rule `provider_refused` says that another provider may take the message, a Throttled that this number
    has had enough for a while, an Empty that the account has."""

    async def make(self, id: str, errand: SendSms) -> Mapping[str, Any]: ...

    async def ask(self, id: str, errand: SendSms) -> Mapping[str, Any] | None: ...

    async def left(self) -> int | None:
        """Messages that the account still pays for; None where nobody can say. Raises as `ask` does."""
        ...

    async def close(self) -> None: ...


class Reported(NamedTuple):
    """What one receipt says. A message is known by `reference`, which is ours, or else by the provider's own `serial`
    together with the number it went to. Where a long message has a receipt for each segment, this is that of the
    `part`-th of so many `parts`."""

    delivered: bool
    reference: str
    phone: str = ""
    serial: str = ""
    part: int = 1
    parts: int = 1


class Replied(NamedTuple):
    """What a citizen wrote; `key` is the same for every repetition of one reply."""

    phone: str
    text: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Apart:
    """How a push is taken apart. `media` is its type of content, `whole` what all of it looks like where an item is of
    some type, for `/docs`. `parts` are its items as JSON, each to be read on its own, whatever it holds; it raises
    Reject (400) where there are none to be had. `place` says where the n-th stands, before the name of a field;
    `numbers` whether they come as such, and not as texts."""

    media: str
    whole: Callable[[Any], Any]
    parts: Callable[[bytes, Any], Sequence[bytes | msgspec.Raw]]
    place: str
    numbers: bool


def _array(body: bytes, item: Any) -> Sequence[msgspec.Raw]:
    return decoded(RAWS, mended(body))


def _form(body: bytes, item: Any) -> Sequence[bytes]:
    names = [field.encode_name for field in msgspec.structs.fields(item)]
    return [msgspec.json.encode(form(body, names))]


JSON_ARRAY: Final = Apart(
    media=JSON, whole=lambda item: GenericAlias(list, (item,)), parts=_array, place="[{}]", numbers=True
)
"""A JSON array of items."""
ONE_FORM: Final = Apart(media=FORM, whole=lambda item: item, parts=_form, place="", numbers=False)
"""A form with the fields of one item."""


@dataclass(frozen=True, kw_only=True)
class Items(Generic[T, Means]):
    """One kind of push: `item`s, taken apart as it says and each read on its own; `title` and `about` are for `/docs`.
    Nothing here has a default either."""

    item: type[T]
    apart: Apart
    means: Callable[[T], Means]
    title: str
    about: str

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[T]:
        """Made once, not at every push."""
        return msgspec.json.Decoder(self.item, strict=self.apart.numbers)


@dataclass(frozen=True, kw_only=True, eq=False)
class Provider(Generic[S]):
    """All that is particular about one SMS provider, as its module's `PROVIDER`. Nothing here has a default: who writes
    an adapter has to look every one of these up, and a module that leaves one out cannot be imported.

    `lists_all` is what its "not found" proves: whether it lists every message as soon as it has taken it, so that one
    it does not know was never sent. Otherwise few messages are under way at once, and a person is told of those in
    doubt. `sign` stands before every text (签名), `lengths` is how it counts characters, `allowances` what it takes for
    one number, `rate` the messages a second that it takes by contract. `verify` proves a push to the secret address,
    where the provider signs it as well, and raises Reject `signature_invalid` (401); `words` are what a push that is
    taken must be answered with."""

    name: str
    settings: type[S]
    sender: Callable[[S, Keyring, Clock], Sender]
    lists_all: bool
    sign: Callable[[S], str]
    lengths: Lengths
    allowances: Callable[[S], tuple[Allowance, ...]]
    rate: int
    verify: Callable[[Push, S], None]
    words: Mapping[str, Any]
    receipts: Items[Any, Reported]
    replies: Items[Any, Replied]


def signs_nothing(push: Push, settings: Section) -> None:
    """Of a provider that signs nothing: only the address proves its pushes."""


class Throttled(Retry):
    """Not sent, and no fault of the provider: the number is over a limit."""

    blames = False


class Empty(Retry):
    """Not sent: the account is empty or suspended, and nothing goes this way until somebody has paid."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, 60.0)


def secret(given: str) -> str:
    """What to sign with. Raises Retry without it: nothing goes this way until somebody has set it."""
    if not given:
        raise Retry("no secret of this provider is set", UNSET)
    return given


def digest(text: str) -> str:
    """A key of a reply that has no number, from what is the same in every repetition."""
    return "up:" + hashlib.sha256(text.encode()).hexdigest()[:24]


def refused() -> Reject:
    """The provider will not send this, for a reason of its own (account, balance, template, signature)."""
    return Reject(REFUSED, "短信服务商拒绝发送")
