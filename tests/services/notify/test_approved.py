"""Templates of text messages stand at the pretend Tencent as they stand here, with the same parameters in order.

A template that is missing there would be refused in every demonstration; nothing here may ever be sent.
"""

from __future__ import annotations

import yaml

from sandbox.tencent import APPROVED
from services.notify.texts.book import checked
from tests.services.notify.test_templates import TEXT


def test_every_template_is_approved_with_its_parameters() -> None:
    ours = {
        page.ids["tencent"]: (page.template, tuple(page.variables)) for page in checked(yaml.safe_load(TEXT)).values()
    }
    assert ours == APPROVED
