"""Where files may lie: in a folder of one machine only where no other machine has the same cases.

The service is described and never run; this module must never keep a file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.cityfile import load
from chassis.clock import Clock
from chassis.law.workdays import Calendar
from chassis.sealing import Keyring
from chassis.service import Parts
from chassis.settings import SettingsError
from services.intake.app import build


@pytest.mark.parametrize("shared", [{"TONGBAN_BUS": "kafka://kafka:9092"}, {"TONGBAN_STORE": "mongodb://mongo:27017"}])
@pytest.mark.parametrize("files", ["", "/srv/materials"])
def test_a_folder_of_one_machine_is_refused_where_others_have_the_same_cases(
    tmp_path: Path, shared: dict[str, str], files: str
) -> None:
    """What is uploaded to one of them could not be read at another."""
    env = {**shared, "TONGBAN_INTAKE_FILES": files}
    with pytest.raises(SettingsError, match=r"TONGBAN_INTAKE_FILES: expected s3://bucket\[/prefix\]"):
        build(Parts(Clock(), Calendar(), Keyring.generate(), load(), env, tmp_path))
    env["TONGBAN_SANDBOX"] = "true"
    assert build(Parts(Clock(), Calendar(), Keyring.generate(), load(), env, tmp_path)).routes
