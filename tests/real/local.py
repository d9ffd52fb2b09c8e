"""`make kafka`: the tests' own Apache Kafka as a broker to try things with, in the foreground of a terminal.

It begins empty each time and leaves nothing behind; it must never be more than `tests.real.backends` can start.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.real.backends import BackendError, KafkaBroker, ensure_installed

PORT = 9092


def main() -> int:
    """The exit code: 0 after Ctrl-C or SIGTERM, 1 where the broker cannot be had (and why)."""
    parser = argparse.ArgumentParser(prog="make kafka", description="A local Apache Kafka, until Ctrl-C.")
    parser.add_argument("--port", type=int, default=PORT, help=f"port on 127.0.0.1 (default {PORT})")
    port: int = parser.parse_args().port
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))  # so that the broker is stopped on the way out
    try:
        print("Apache Kafka is fetched by Maven once, and then starts in a few seconds …", flush=True)
        ensure_installed(("kafka",))
        with tempfile.TemporaryDirectory(prefix="tongban-kafka-") as folder, KafkaBroker(Path(folder), port):
            print(f"Apache Kafka is ready at kafka://127.0.0.1:{port}. Ctrl-C ends it.", flush=True)
            while True:
                signal.pause()
    except BackendError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
