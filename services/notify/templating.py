"""Where the templates of notices stand, and how they are read.

It opens one file; this module must never decide what is sent.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import yaml

from services.notify.domain.templates import Template, checked

TEMPLATES = Path(__file__).parent / "templates" / "sms.zh.yaml"


def load(providers: Collection[str] = ("aliyun",)) -> dict[str, Template]:
    """Raises TemplateError naming every template and what is wrong."""
    return checked(yaml.safe_load(TEMPLATES.read_text(encoding="utf-8")), providers)
