"""Owns real Apache Kafka and a server of the MongoDB wire protocol: processes that tests start, stop, kill and restart.
It must never import anything but the standard library: what it starts has to be independent of what it proves.
"""

# ruff: noqa: TID251 - the waits below are for other processes, so the wall of this machine is the only clock.

import argparse
import base64
import fcntl
import hashlib
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "real"
POM = HERE / "pom.xml"
PROFILES = ("kafka", "mongo", "s3")
START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
# The serial collector starts soonest and leaves the other core to whoever is being tested.
JVM = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-Dfile.encoding=UTF-8", "-Djava.awt.headless=true")
# S3Proxy sends what it finds on stderr back to the log: written there, it would never end.
LOGGING = ("logFile=System.out", "defaultLogLevel=warn", "showDateTime=true", "dateTimeFormat=HH:mm:ss.SSS")

_chance = random.SystemRandom()  # tests may seed the common one, and would then all meet at the same ports
_lent: set[int] = set()


class BackendError(RuntimeError):
    """A backend did not do what it was told; the text ends with what it last wrote."""


def ensure_installed(profiles: Sequence[str] = PROFILES) -> None:
    """Has Maven fetch what the pom names, once: with `build/real` complete this reads three small files, no network."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may come here at the same time
        for marker, wanted in missing(profiles).items():
            _fetch(marker.parent.name)
            marker.write_text(wanted)


def missing(profiles: Sequence[str] = PROFILES) -> dict[Path, str]:
    """What `ensure_installed` has yet to write, after fetching: marker files and what they are to say."""
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    markers = [BUILD / profile / "pom.sha256" for profile in profiles]
    return {marker: wanted for marker in markers if not marker.exists() or marker.read_text() != wanted}


def _fetch(profile: str) -> None:
    libraries = BUILD / profile / "lib"
    shutil.rmtree(libraries.parent, ignore_errors=True)  # jars of an older pom must not stay on the class path
    # -U: without it Maven remembers a failed download for a day.
    command = [_program("mvn"), "-B", "-q", "-ntp", "-U", "-f", str(POM), "-P", profile, "dependency:copy-dependencies"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ended.returncode or not any(libraries.glob("*.jar")):
        written = _last_lines((ended.stdout + ended.stderr).decode(errors="replace"))
        raise BackendError(f"Maven could not fetch {profile!r} of {POM}:\n{written}")


def _program(name: str) -> str:
    home = os.environ.get("JAVA_HOME", "")
    found = shutil.which(name, path=f"{home}/bin") if home and name == "java" else None
    found = found or shutil.which(name)
    if found is None:
        raise BackendError(f"{name!r} is not on the PATH; the real backends need a JDK of 17 or newer, and Maven")
    return found


def _last_lines(text: str, count: int = 40) -> str:
    return "\n".join(text.splitlines()[-count:])


def _free_port() -> int:
    """A port below the range from which the kernel lends: a client that keeps calling a dead server's port from that
    range ends up connected to itself, and the server then cannot come back to it.
    """
    while True:
        port = _chance.randrange(20_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _lent:
            return port


def _exchange(port: int, request: bytes, little: bool) -> bytes:
    """One request and its answer, framed by a length of four bytes: after itself (Kafka) or with itself (MongoDB)."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection, connection.makefile("rb") as answer:
        connection.sendall(request)
        head = answer.read(4)
        length = struct.unpack("<i", head)[0] - 4 if little else struct.unpack(">i", head)[0]
        return answer.read(length)


class Server(ABC):
    """A Java process on a directory and a loopback port, both of which it keeps when it comes back."""

    scheme: str
    profile: str
    heap: str

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory.resolve()
        self.port = port or _free_port()
        _lent.add(self.port)
        self.log = self.directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BackendError(f"{self.url} is not running")
        return self._process.pid

    def start(self) -> None:
        """Returns when the server has answered a request of its own protocol."""
        if self._process is not None:
            raise BackendError(f"{self.url} is running already")
        if self._holds(self._listens):  # else the stranger there would be asked whether ours is ready
            raise BackendError(f"something else listens at {self.url}")
        ensure_installed((self.profile,))
        self.directory.mkdir(parents=True, exist_ok=True)
        self._prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java(*self._main(), heap=self.heap),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt typed at the tests is theirs: they stop their servers in order
            )
        # Ends the server when this process is gone, however it went: then the guard's input closes.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -TERM "$1"', "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._await_ready()
        except BaseException:
            self._end(signal.SIGKILL)
            raise

    def stop(self) -> None:
        """Ends the server in order; nothing to do if it is not running."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Writes what the server needs before it starts; may find its own work done already."""

    @abstractmethod
    def _main(self) -> Sequence[str]:
        """What Java is to run: a main class or a source file, and its arguments."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a request is answered as by a server that is fit to work."""

    def _java(self, *main: str, heap: str) -> list[str]:
        logging = (f"-Dorg.slf4j.simpleLogger.{setting}" for setting in LOGGING)
        return [_program("java"), f"-Xmx{heap}", *JVM, *logging, "-cp", str(BUILD / self.profile / "lib" / "*"), *main]

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._holds(self._answers):
            status = self._process.poll() if self._process is not None else None
            if status is not None:
                raise self._failure(f"ended with status {status}")
            if time.monotonic() > deadline:
                raise self._failure(f"did not become ready in {START_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _failure(self, what: str) -> BackendError:
        written = _last_lines(self.log.read_text(errors="replace"))
        return BackendError(f"{self.url} {what}; the end of {self.log}:\n{written}")

    def _listens(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2):
            return True

    @staticmethod
    def _holds(condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except (OSError, struct.error):  # nobody listens yet, or hung up in mid-answer
            return False

    def _end(self, how: signal.Signals) -> None:
        process, guard = self._process, self._guard
        self._process = self._guard = None
        if guard is not None:
            guard.kill()
            guard.communicate()
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise self._failure(f"did not end within {STOP_SECONDS:.0f} s of {how.name} and was killed") from None


class KafkaBroker(Server):
    """Apache Kafka as one KRaft node, broker and controller in one. What it acknowledged survives `kill`: the records
    are in the page cache of the machine then, and the machine lives on.
    """

    scheme = "kafka"
    profile = "kafka"
    heap = "384m"

    def __init__(self, directory: Path, port: int | None = None) -> None:
        super().__init__(directory, port)
        self._controller_port = _free_port()

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def entrance(self, name: str) -> Sequence[str]:
        """Where one of Kafka's own tools comes in under this name, as its arguments; here all are nobody."""
        return "--bootstrap-server", self.bootstrap

    def kill(self) -> None:
        """Ends the broker where it stands: no goodbye to anyone, no flush, no closed file."""
        self._end(signal.SIGKILL)

    def run_tool(self, main: str, *arguments: str, lines: str = "", seconds: float = 60) -> str:
        """Runs one of Kafka's own command line tools against this broker and returns what it printed."""
        command = self._java(main, *arguments, heap="128m")
        try:
            ended = subprocess.run(command, input=lines.encode(), capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as late:
            written = _last_lines((late.stderr or b"").decode(errors="replace"))
            raise BackendError(f"{main} did not end within {seconds:.0f} s:\n{written}") from None
        if ended.returncode:
            written = _last_lines((ended.stdout + ended.stderr).decode(errors="replace"))
            raise BackendError(f"{main} ended with status {ended.returncode}:\n{written}")
        return ended.stdout.decode()

    def _prepare(self) -> None:
        properties = "".join(f"{name}={value}\n" for name, value in self._settings().items())
        (self.directory / "server.properties").write_text(properties)
        if not (self.directory / "data" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
            config = str(self.directory / "server.properties")
            # The equals sign, because a cluster id may begin with a hyphen.
            self.run_tool("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={config}")

    def _settings(self) -> Mapping[str, object]:
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.directory / "data",
            # A topic that nobody declared is a mistake that tests must see.
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            # Groups form at once, and tests may choose sessions short enough to see a member die.
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 500,
            # After a kill the controller admits the broker again only when the old session has run out: 12 s by
            # default, 4 s with these. Shorter ones would fence a healthy broker on a busy machine.
            "broker.session.timeout.ms": 2_000,
            "broker.heartbeat.interval.ms": 500,
            # One node on two cores and a small heap.
            "num.network.threads": 2,
            "num.io.threads": 4,
            "num.recovery.threads.per.data.dir": 2,
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
        }

    def _main(self) -> Sequence[str]:
        return "kafka.Kafka", str(self.directory / "server.properties")

    def _answers(self) -> bool:
        """A Metadata request (version 1, no topics) names a broker once the controller has let it in, not before."""
        request = struct.pack(">hhi", 3, 1, 1) + struct.pack(">h", -1) + struct.pack(">i", 0)
        answer = _exchange(self.port, struct.pack(">i", len(request)) + request, little=False)
        correlation, brokers = struct.unpack_from(">ii", answer)
        return bool(correlation == 1 and brokers == 1)


class MongoServer(Server):
    """The MongoDB wire protocol over H2 on file. It commits once a second, so it is only ever restarted in order."""

    scheme = "mongodb"
    profile = "mongo"
    heap = "512m"

    def _prepare(self) -> None:
        """Needs nothing: the server creates its file."""

    def _main(self) -> Sequence[str]:
        return str(HERE / "WireServer.java"), str(self.port), str(self.directory / "store.mv")

    def _answers(self) -> bool:
        """`{ping: 1, $db: "admin"}` as one OP_MSG, the only kind of message that drivers still send."""
        elements = b"\x10ping\x00" + struct.pack("<i", 1) + b"\x02$db\x00" + struct.pack("<i", 6) + b"admin\x00"
        document = struct.pack("<i", len(elements) + 5) + elements + b"\x00"
        body = struct.pack("<iiiI", 1, 0, 2013, 0) + b"\x00" + document
        return b"\x01ok\x00" in _exchange(self.port, struct.pack("<i", len(body) + 4) + body, little=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.real.backends", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="fetch the servers with Maven, unless that is done")
    up = commands.add_parser("up", help="start both, print their addresses, and stop them at SIGTERM or Ctrl-C")
    up.add_argument("--dir", type=Path, required=True, help="for their data; may hold that of an earlier run")
    chosen = parser.parse_args(arguments)
    try:
        ensure_installed()
        if chosen.command == "up":
            _stay_up(chosen.dir)
    except BackendError as error:
        sys.exit(str(error))


def _stay_up(directory: Path) -> None:
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))  # so that the servers are stopped on the way out
    with KafkaBroker(directory / "kafka") as kafka, MongoServer(directory / "mongo") as mongo:
        print(kafka.url, mongo.url, sep="\n", flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
