"""The keyring that a suite works with: what the settings hold, or what a sandbox makes for itself once.

It reads and writes the folder of the suite; this module must never log or print a key, nor import a service.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from chassis.sealing import Keyring
from chassis.settings import ChassisSettings, SettingsError


def unshared(settings: ChassisSettings) -> str:
    """What is missing for all replicas to open what one has sealed, as a sentence; empty where nothing is."""
    missing = [settings.variable(name) for name in ("keys", "tag_secret") if not getattr(settings, name)]
    if settings.sandbox or not missing:
        return ""
    file = settings.dir / "keys"
    kept = f"; an earlier version has kept them in {file}, a line each" if file.exists() else ""
    return f"{' and '.join(missing)} must be set, the same for all replicas: `tongban key --data` makes them{kept}."


def load_keyring(settings: ChassisSettings) -> Keyring:
    """The keyring of the settings; what they leave empty a sandbox makes once, at random, and keeps in the file `keys`
    of the folder, readable by the owner alone. Several processes may call this at once: one makes the file, all use it.

    Raises SettingsError naming the key id and what is wrong, never a key; also for keys that are missing outside the
    sandbox, where one that is made would not be known to other replicas.
    """
    keys, secret = settings.keys, settings.tag_secret
    if missing := unshared(settings):
        raise SettingsError(missing)
    if not (keys and secret):
        made = _made(settings.dir / "keys")
        keys, secret = keys or made[0], secret or made[1]
    try:
        return Keyring(keys, secret)
    except ValueError as error:
        raise SettingsError(f"TONGBAN_KEYS or TONGBAN_TAG_SECRET: {error}") from None


def _made(file: Path) -> tuple[str, str]:
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".keys-", encoding="ascii") as draft:
            draft.write("\n".join(Keyring.generate_settings()) + "\n")
            draft.flush()
            os.fsync(draft.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first; its keys are read below
                os.link(draft.name, file)
    lines = file.read_text(encoding="ascii").split()
    if len(lines) != 2:
        raise SettingsError(f"{file.name}: one line of keys and one with the tag secret expected")
    return lines[0], lines[1]
