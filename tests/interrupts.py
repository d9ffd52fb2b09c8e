"""How a test begins what it will interrupt, so that it is heard by children of a run in the background, too.

It changes the child alone; this module must never touch what the run itself hears.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

BEGIN = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"


def heard(command: Iterable[str]) -> list[str]:
    """The command as one that hears SIGINT, with the pid that it would have had. A shell that starts a run with `&` has
    SIGINT ignored, every child inherits that, and what the suite is made to ignore it leaves ignored."""
    return [sys.executable, "-I", "-c", BEGIN, *command]
