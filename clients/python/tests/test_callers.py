"""Tokens and TLS, against a server that asks for both."""

import asyncio
import datetime
import ipaddress
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Connect
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc import StatusCode
from support import PATIENCE, TACTFUL, new_token, serve

from tactful import AsyncClient, Client, SilenceReason, TactfulError
from tactful.v1.decision_pb2 import ListDecisionsRequest
from tactful.v1.decision_pb2_grpc import DecisionServiceStub


@dataclass
class Secure:
    url: str
    ca: Path
    token: str
    other_ca: Path


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and till.example that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tactful test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("till.example")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    cert, key = write_certificate(folder / "server")
    other, _ = write_certificate(folder / "other")
    tokens = folder / "tokens.toml"
    token = new_token(tokens, "--scope", "decide", "--scope", "read")
    options = ["--tls-cert", str(cert), "--tls-key", str(key), "--tokens", str(tokens)]
    with serve(folder, *options) as port:
        yield Secure(f"https://127.0.0.1:{port}", cert, token, other)


def test_token_and_tls(connect: Connect, secure: Secure) -> None:
    client = connect(secure.url, token=secure.token, ca=secure.ca)
    assert client.ready(timeout=PATIENCE).name == "test"
    assert not client.decide("anna", "web", {"topic": "speed"}, timeout=PATIENCE).local
    with pytest.raises(TactfulError) as caught:
        client.set_attributes("anna", {"customer.age": 34}, timeout=PATIENCE)
    assert (caught.value.code, caught.value.reason) == (StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")


def test_a_token_is_missing_or_wrong(connect: Connect, secure: Secure) -> None:
    for token, reason in ((None, "TOKEN_MISSING"), ("tct_wrong", "TOKEN_INVALID")):
        with pytest.raises(TactfulError) as caught:
            connect(secure.url, token=token, ca=secure.ca).decide("anna", "web", timeout=PATIENCE)
        assert (caught.value.code, caught.value.reason) == (StatusCode.UNAUTHENTICATED, reason)


def test_a_token_may_change(connect: Connect, secure: Secure) -> None:
    current = ["tct_wrong", secure.token]
    client = connect(secure.url, token=lambda: current.pop(0), ca=secure.ca)
    with pytest.raises(TactfulError):
        client.ready(timeout=PATIENCE)
    assert client.ready(timeout=PATIENCE).name == "test"


def test_a_token_that_cannot_be_had_is_an_outage(connect: Connect, secure: Secure) -> None:
    def token() -> str:
        raise OSError("the vault is closed")

    decision = connect(secure.url, token=token, ca=secure.ca).decide("anna", "web")
    assert decision.silence is not None
    assert decision.silence.reason == SilenceReason.SILENCE_REASON_UNAVAILABLE
    assert decision.silence.detail == "the server cannot answer: there is no token: the vault is closed"


async def test_a_token_that_is_late_is_an_outage(secure: Secure) -> None:
    async def token() -> str:
        await asyncio.Event().wait()
        return secure.token

    async with AsyncClient(secure.url, token=token, ca=secure.ca) as client:
        decision = await asyncio.wait_for(client.decide("anna", "web"), PATIENCE)
    assert decision.silence is not None
    assert decision.silence.reason == SilenceReason.SILENCE_REASON_UNAVAILABLE


def test_a_client_certificate_is_shown(connect: Connect, secure: Secure, tmp_path: Path) -> None:
    # The server's certificate is its own authority, and is the one of this client, too.
    cert, key = secure.ca, secure.ca.with_name("key.pem")
    tokens = tmp_path / "tokens.toml"
    command = [TACTFUL, "token", "new", "--tokens", str(tokens), "--name", "till", "--scope", "decide"]
    subprocess.run([*command, "--certificate", "till.example"], check=True, capture_output=True)
    options = ["--tls-cert", str(cert), "--tls-key", str(key), "--client-ca", str(cert), "--tokens", str(tokens)]
    with serve(tmp_path, *options) as port:
        url = f"https://127.0.0.1:{port}"
        assert connect(url, ca=cert, cert=cert, key=key).ready(timeout=PATIENCE).name == "till"


def test_stubs_send_the_token(secure: Secure) -> None:
    with Client(secure.url, token=secure.token, ca=secure.ca) as client:
        decisions = client.stub(DecisionServiceStub)
        decisions.ListDecisions(ListDecisionsRequest(customer_id="anna"), timeout=PATIENCE)


async def test_asynchronous_stubs_and_tokens(secure: Secure) -> None:
    async def token() -> str:
        return secure.token

    async with AsyncClient(secure.url, token=token, ca=secure.ca) as client:
        decisions = client.stub(DecisionServiceStub)
        await decisions.ListDecisions(ListDecisionsRequest(customer_id="anna"), timeout=PATIENCE)


def test_a_certificate_of_another_authority_is_refused(connect: Connect, secure: Secure) -> None:
    with pytest.raises(TactfulError) as caught:
        connect(secure.url, token=secure.token, ca=secure.other_ca).ready(timeout=2)
    assert caught.value.code is StatusCode.UNAVAILABLE


@pytest.mark.parametrize("url", ["127.0.0.1:50051", "localhost:50051", "ftp://a", "https://", "http://a/path"])
def test_an_address_has_a_scheme_and_a_host(url: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Client(url)


def test_certificates_need_tls(secure: Secure) -> None:
    with pytest.raises(ValueError, match="https"):
        Client("http://127.0.0.1:50051", ca=secure.ca)
    with pytest.raises(ValueError, match="both"):
        Client(secure.url, cert=secure.ca)
