"""Templates of text messages stand at the pretend Tencent and Huawei as they stand here, parameters in order.

A template that is missing there would be refused in every demonstration; nothing here may ever be sent.
"""

from __future__ import annotations

import pytest
import yaml

from sandbox import huawei, tencent
from services.notify.texts.book import checked
from tests.services.notify.test_templates import TEXT


@pytest.mark.parametrize(("name", "approved"), [("tencent", tencent.APPROVED), ("huawei", huawei.APPROVED)])
def test_every_template_is_approved_with_its_parameters(
    name: str, approved: dict[str, tuple[str, tuple[str, ...]]]
) -> None:
    ours = {page.ids[name]: (page.template, tuple(page.variables)) for page in checked(yaml.safe_load(TEXT)).values()}
    assert ours == approved
