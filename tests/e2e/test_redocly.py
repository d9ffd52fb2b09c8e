"""Redocly finds nothing in the description that the suite serves.

Its version is pinned by tests/real/redocly/package-lock.json; nothing but that package may be fetched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.services.conforming import document

PINNED = Path(__file__).resolve().parents[1] / "real" / "redocly"


@pytest.mark.real
@pytest.mark.timeout(300)
def test_redocly_finds_nothing(tmp_path: Path) -> None:
    shutil.copytree(PINNED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "openapi.json").write_text(json.dumps(document()), "utf-8")
    env = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200, check=False)

    fetched = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    assert fetched.returncode == 0, fetched.stderr
    found = run("node_modules/.bin/redocly", "lint", "--max-problems=1000", "openapi.json")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Your API description is valid" in found.stdout + found.stderr
    assert "warning" not in (found.stdout + found.stderr).lower().replace("deprecation warning", "")
