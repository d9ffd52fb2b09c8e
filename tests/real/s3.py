"""Owns a real server of the S3 protocol: a process that tests start, stop, kill and restart.
This module must never import what it proves.
"""

import urllib.error
import urllib.request
from collections.abc import Sequence

from tests.real.backends import Server

KEY, SECRET = "sandbox", "sandbox-secret"


class S3Server(Server):
    """S3Proxy over a folder of this machine; a bucket is a folder in it."""

    scheme = "http"
    profile = "s3"
    heap = "160m"

    def bucket(self, name: str) -> str:
        """Makes one; its name."""
        (self.directory / "data" / name).mkdir(parents=True, exist_ok=True)
        return name

    def _prepare(self) -> None:
        (self.directory / "data").mkdir(exist_ok=True)
        settings = {
            "s3proxy.endpoint": self.url,
            "s3proxy.authorization": "aws-v2-or-v4",
            **{f"{who}.identity": KEY for who in ("s3proxy", "jclouds")},
            **{f"{who}.credential": SECRET for who in ("s3proxy", "jclouds")},
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": str(self.directory / "data"),
        }
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.directory / "server.properties").write_text(lines)

    def _main(self) -> Sequence[str]:
        return "org.gaul.s3proxy.Main", "--properties", str(self.directory / "server.properties")

    def _answers(self) -> bool:
        """A request without a signature is refused in the protocol's own words."""
        try:
            with urllib.request.urlopen(self.url, timeout=2):
                return True
        except urllib.error.HTTPError as error:
            return error.code in (400, 403)
