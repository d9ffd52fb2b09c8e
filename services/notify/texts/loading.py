"""How templates of notices (`templates/<channel>.<language>.yaml`) and the officers' phone book are read.

It opens these files; this module must never decide what is sent.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import yaml

from services.notify.duty.rules import PhoneBook, PhoneBookError
from services.notify.texts.book import CHANNELS, LANGUAGES, Book, Template, TemplateError, checked

FOLDER: Final = Path(__file__).parent / "templates"


def load(providers: Collection[str] = ("aliyun",), folder: Path = FOLDER) -> Book:
    """Raises TemplateError naming every file, template and what is wrong."""
    pages: dict[tuple[str, str], dict[str, Template]] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        channel, _, language = path.stem.partition(".")
        if channel not in CHANNELS or language not in LANGUAGES:
            problems.append(f"{path.name}: expected <channel>.<language>.yaml")
            continue
        try:
            pages[channel, language] = checked(yaml.safe_load(path.read_text(encoding="utf-8")), providers, channel)
        except (TemplateError, yaml.YAMLError) as error:
            problems.append(f"{path.name}: {error}")
    if ("sms", "zh") not in pages and not problems:
        problems.append("sms.zh.yaml: missing")
    if problems:
        raise TemplateError("; ".join(problems))
    return Book(pages)


def phone_book(path: Path | None) -> PhoneBook:
    """Empty without a file. Raises PhoneBookError naming every entry and what is wrong, and no number."""
    if path is None:
        return PhoneBook()
    try:
        return PhoneBook.read(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PhoneBookError(f"{path.name}: {error.strerror}") from None
    except yaml.YAMLError:
        raise PhoneBookError(f"{path.name}: not YAML") from None
