"""The demonstration as a newcomer runs it: sixty cases and more, all ended as they should, and no network.

It must never judge more kindly than the demonstration itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GUARD = """
import sys

def _watch(event, args):
    if event == "socket.connect":
        address = args[1]
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            with open(%r, "a") as found:
                found.write(repr(address) + "\\n")
    elif event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", "::1", "localhost", None):
        with open(%r, "a") as found:
            found.write(repr(args[0]) + "\\n")

sys.addaudithook(_watch)
"""


def test_the_demonstration_ends_as_it_should_and_calls_nobody(tmp_path: Path) -> None:
    found = tmp_path / "outside.txt"
    (tmp_path / "sitecustomize.py").write_text(GUARD % (str(found), str(found)))
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "sandbox.demo", "--json", "--keep", str(tmp_path / "kept")]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["wrong"] == []
    assert sum(row["cases"] for row in summary["rows"]) >= 60
    assert all(row["cases"] == row["as_expected"] for row in summary["rows"])
    assert not found.exists(), found.read_text()
    log = (tmp_path / "kept" / "suite.log").read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log
