"""Kafka brokers that let nobody in without certificate and login (TLS, SCRAM, PLAIN), or do nothing without a right to
it (ACLs), and a store over TLS.

It owns their certificates and principals; it must never import the suite.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from tests.real.backends import KafkaBroker, MongoServer, _free_port

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
USER, PASSWORD = "tongban-intake", "a secret of the test"
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN")


class SecureKafkaBroker(KafkaBroker):
    """`port` speaks SASL over TLS and asks for a certificate; the broker itself uses another, plain one."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.outside = _free_port()
        self.ca = certificate("Authority of the test", None)
        self.files = self.directory

    @property
    def url(self) -> str:
        """Where clients come in; what `port` and `bootstrap` name is for the broker's own tools."""
        return f"kafka://127.0.0.1:{self.outside}"

    def _settings(self) -> Mapping[str, object]:
        login = "org.apache.kafka.common.security"
        plain = f'{login}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        inside, outside = f"INSIDE://127.0.0.1:{self.port}", f"OUTSIDE://127.0.0.1:{self.outside}"
        jaas = {"PLAIN": plain} | dict.fromkeys(MECHANISMS[:2], f"{login}.scram.ScramLoginModule required;")
        return {
            **super()._settings(),
            "listeners": f"{inside},{outside},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"{inside},{outside}",
            "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INSIDE",
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            **{f"listener.name.outside.{m.lower()}.sasl.jaas.config": text for m, text in jaas.items()},
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.files / "broker.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.files / "ca.pem",
            "listener.name.outside.ssl.client.auth": "required",
        }

    def _prepare(self) -> None:
        write(self.files / "ca.pem", self.ca[:1])
        write(self.files / "broker.pem", certificate("broker", self.ca))
        cert, key = certificate(USER, self.ca)
        write(self.files / "client.pem", (cert,))
        write(self.files / "client.key", (key,))
        write(self.files / "stranger.pem", certificate("somebody", None)[:1])
        super()._prepare()

    def run_tool(self, main: str, *arguments: str, lines: str = "", seconds: float = 60) -> str:
        if main == "kafka.tools.StorageTool":
            scram = (f"--add-scram={m}=[name={n},password={p}]" for n, p in self._logins() for m in MECHANISMS[:2])
            arguments = (*arguments, *scram)
        return super().run_tool(main, *arguments, lines=lines, seconds=seconds)

    def _logins(self) -> Iterator[tuple[str, str]]:
        """Names and passwords."""
        yield USER, PASSWORD


WARDEN = "warden"
"""Whoever sets the rules: a super user of the broker."""


class GuardedKafkaBroker(SecureKafkaBroker):
    """Over TLS, with a login by SCRAM for each of `names`, of whom nobody may do anything that no rule allows; only the
    warden, and the broker's own tools on its inner port, may do all."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        super().__init__(directory)
        self.names = (WARDEN, *names)

    def settings(self, name: str) -> dict[str, str]:
        """What the suite is told, to come in under this name."""
        return {
            "TONGBAN_BUS": self.url,
            "TONGBAN_KAFKA_TLS": "true",
            "TONGBAN_KAFKA_CA": str(self.files / "ca.pem"),
            "TONGBAN_KAFKA_LOGIN": "SCRAM-SHA-512",
            "TONGBAN_KAFKA_USER": name,
            "TONGBAN_KAFKA_PASSWORD": f"{PASSWORD} {name}",
        }

    def entrance(self, name: str) -> Sequence[str]:
        file = self.files / f"{name}.properties"
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        jaas = f'{login} username="{name}" password="{PASSWORD} {name}";'
        options = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": jaas}
        trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": self.files / "ca.pem"}
        file.write_text("".join(f"{key}={value}\n" for key, value in {**options, **trust}.items()))
        return "--bootstrap-server", self.url.removeprefix("kafka://"), "--command-config", str(file)

    def _settings(self) -> Mapping[str, object]:
        return {
            **super()._settings(),
            "listener.name.outside.ssl.client.auth": "none",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:ANONYMOUS;User:{WARDEN}",
        }

    def _logins(self) -> Iterator[tuple[str, str]]:
        yield from ((name, f"{PASSWORD} {name}") for name in self.names)


class SecureMongoServer(MongoServer):
    """The same server over TLS; it knows no logins."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ca = certificate("Authority of the test", None)

    def _prepare(self) -> None:
        write(self.directory / "ca.pem", self.ca[:1])
        write(self.directory / "stranger.pem", certificate("somebody", None)[:1])
        cert, key = certificate("mongo", self.ca)
        sealed = serialization.BestAvailableEncryption(PASSWORD.encode())
        packed = pkcs12.serialize_key_and_certificates(b"mongo", key, cert, None, sealed)
        (self.directory / "mongo.p12").write_bytes(packed)

    def _main(self) -> Sequence[str]:
        return *super()._main(), str(self.directory / "mongo.p12"), PASSWORD

    def _answers(self) -> bool:
        """A handshake: what is asked then is asked by drivers."""
        context = ssl.create_default_context(cafile=self.directory / "ca.pem")
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=2) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return True


def certificate(name: str, issuer: Pair | None) -> Pair:
    """A certificate for 127.0.0.1 and its key, signed by the issuer; without one an authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251  (what a certificate is good for, the machine's clock says)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    return built.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def write(path: Path, parts: Sequence[x509.Certificate | ec.EllipticCurvePrivateKey]) -> None:
    """As PEM, keys first, as Kafka wants them."""
    pem = serialization.Encoding.PEM
    keys = [
        part.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for part in parts
        if isinstance(part, ec.EllipticCurvePrivateKey)
    ]
    certificates = [part.public_bytes(pem) for part in parts if isinstance(part, x509.Certificate)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join([*keys, *certificates]))
