"""What a setting may look like beyond a bounded number: addresses, files, folders, keys.

A refusal's text completes the sentence "it must be …"; this module must never open a connection or import a service.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from chassis.sealing import Keyring

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What Kafka takes in the name of a topic."""
HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
CLAIM: Final = re.compile(r"\S{1,200}")
HASHED: Final = re.compile(r"[A-Za-z0-9._-]{1,100}=[0-9a-f]{64}(:[a-z]+(\+[a-z]+)*)?")


@dataclass(frozen=True)
class Kind:
    """A value that fits, or nothing. To stand in `Annotated`, where the manual of settings finds `expected` as well."""

    fits: Callable[[Any], bool]
    expected: str

    def check(self, value: Any) -> Any:
        if value and not self.fits(value):
            raise ValueError(self.expected)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


def among(names: Collection[str]) -> Kind:
    """Some of these names, for a setting that is split at its commas."""
    return Kind(lambda given: set(given) <= set(names), f"one of {', '.join(names)} (several with commas between)")


def is_address(text: str) -> bool:
    """Whether this is an absolute http(s) address, with a host and no blanks."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    named = HOST.fullmatch(host) or HOST.fullmatch(f"[{host}]")
    return parts.scheme in ("http", "https") and bool(named) and port != 0 and not re.search(r"\s", text)


def is_host_port(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(HOST.fullmatch(host)) and port.isdecimal() and 1 <= int(port) <= 65535


def is_bus(text: str) -> bool:
    scheme, _, rest = text.partition("://")
    return scheme == "kafka" and all(map(is_host_port, rest.rstrip("/").split(",")))


def is_store(text: str) -> bool:
    """`mongodb://[user:password@]host[:port][,…][/…]`; what follows the hosts is the driver's business."""
    scheme, _, rest = text.partition("://")
    hosts = re.split(r"[/?]", rest.rpartition("@")[2], maxsplit=1)[0].split(",")
    return scheme == "mongodb" and all(HOST.fullmatch(host) or is_host_port(host) for host in hosts)


def is_listening(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text == "localhost"
    return True


def _yaml(path: Path) -> Path:
    try:
        yaml.compose(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ValueError(f"a YAML file that can be read ({why})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"sound YAML (wrong at line {mark.line + 1})" if mark else "sound YAML") from None
    return path


def _file(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"a file that can be read ({error.strerror})") from None
    return path


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError("a folder that exists")
    return path


def _keys(value: str) -> str:
    entries = [part for part in value.split(",") if part.strip()]
    for number, entry in enumerate(entries, 1):
        try:
            Keyring(entry, "")
        except ValueError:  # what it says may hold a piece of the key
            raise ValueError(f"id:algorithm:base64,… as `tongban key --data` makes it; entry {number} is not") from None
    if len({entry.strip().partition(":")[0] for entry in entries}) < len(entries):
        raise ValueError("keys of different ids")
    return value


def _tag_secret(value: str) -> str:
    try:
        Keyring("", value)
    except ValueError:
        raise ValueError("base64 of at least 16 bytes, as `tongban key --data` makes it") from None
    return value


def split(value: Any) -> Any:
    """The parts of a comma separated text."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, Kind(is_address, "an address like https://host[:port][/path]")]
HostPort = Annotated[str, Kind(is_host_port, "host:port")]
Listening = Annotated[str, Kind(is_listening, "an IP address of this machine, or localhost")]
BusAddress = Annotated[str, Kind(is_bus, "kafka://host:port[,host:port], or empty for SQLite")]
StoreAddress = Annotated[str, Kind(is_store, "mongodb://[user:password@]host[:port], or empty for SQLite")]
ClaimName = Annotated[
    str, Kind(lambda text: bool(CLAIM.fullmatch(text)), "the name of a claim, or names with dots between")
]
YamlFile = Annotated[Path, AfterValidator(_yaml)]
File = Annotated[Path, AfterValidator(_file)]
Folder = Annotated[Path, AfterValidator(_folder)]
DataKeys = Annotated[str, AfterValidator(_keys)]
TagSecret = Annotated[str, AfterValidator(_tag_secret)]
UPPER = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
HashedKeys = Annotated[
    str,
    Kind(
        lambda text: all(HASHED.fullmatch(part.strip()) for part in text.split(",") if part.strip()),
        "name=sha256hex:scope+scope,… as `tongban key PORTAL` prints it",
    ),
]
