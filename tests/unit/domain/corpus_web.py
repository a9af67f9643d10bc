"""What HTTP clients and the AWS client raise against a server on this machine that answers as it is reported by the path."""

import datetime
import http.client
import socket
import ssl
import struct
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import botocore.config
import httpx
import httpx2
import requests
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.domain.corpus import AUTH, OTHER, VALID, Case, P, T

_STATUSES: list[tuple[int, Any, str]] = [
    (400, P, VALID), (401, P, AUTH), (402, P, OTHER), (403, P, AUTH), (404, P, OTHER), (405, P, OTHER), (407, P, AUTH), (408, T, OTHER),
    (409, P, OTHER), (410, P, OTHER), (413, P, VALID), (415, P, VALID), (422, P, VALID), (423, P, OTHER), (425, T, OTHER), (429, T, OTHER),
    (500, T, OTHER), (501, P, OTHER), (502, T, OTHER), (503, T, OTHER), (504, T, OTHER), (507, T, OTHER), (520, T, OTHER),
]  # fmt: skip
_FEW = (400, 401, 404, 422, 429, 503)


class Answering(BaseHTTPRequestHandler):
    """GET /status/418 and the like; `_ODD` holds what no honest server sends."""

    protocol_version = "HTTP/1.1"
    _ODD: ClassVar[dict[str, bytes]] = {
        "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        "/nonsense": b"\x00\x01nonsense\r\n\r\n",
        "/drop": b"",
        "/redirect": b"HTTP/1.1 302 Found\r\nLocation: /redirect\r\nContent-Length: 0\r\n\r\n",
        "/gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        "/chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    }

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_GET

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        if path.startswith("/slow"):
            self.server.released.wait()  # type: ignore[attr-defined]
        if path in self._ODD:
            self.wfile.write(self._ODD[path])
            self.close_connection = path != "/redirect"
        elif path == "/reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        else:
            self._reply(path)

    def _reply(self, path: str) -> None:
        kind, status, code = [*path.strip("/").split("/"), "200", "", ""][:3]
        body = b"{}"
        if kind == "s3":
            body = f"<Error><Code>{code}</Code><Message>no</Message><RequestId>1</RequestId></Error>".encode()
        elif self.headers.get("X-Amz-Target"):
            _, status, code = self.server.dynamo  # type: ignore[attr-defined]
            body = f'{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}}'.encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class WebWorld:
    """The servers: plain, with a certificate that no one knows, and one that wants a certificate of its clients."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = _certificate(folder, days=9, name="localhost")
        expired, expired_key = _certificate(folder, days=-9, name="expired")
        self._servers = [
            _serve(None), _serve(_context(self.certificate, key)), _serve(_context(self.certificate, key, client_ca=self.certificate)),
            _serve(_context(expired, expired_key)),
        ]  # fmt: skip
        self.plain, self.tls, self.mutual, self.expired = (server.server_address[1] for server in self._servers)
        self.expired_certificate = expired

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.plain}"

    def dynamo(self, status: int, code: str) -> None:
        self._servers[0].dynamo = ("", str(status), code)  # type: ignore[attr-defined]

    def close(self) -> None:
        for server in self._servers:
            server.released.set()  # type: ignore[attr-defined]
            server.shutdown()
            server.server_close()


def _serve(context: ssl.SSLContext | None) -> ThreadingHTTPServer:
    server = _Quiet(("127.0.0.1", 0), Answering)
    server.released = threading.Event()  # type: ignore[attr-defined]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the clients are what is looked at."""


def _certificate(folder: Path, *, days: int, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    span = now - datetime.timedelta(days=30), now + datetime.timedelta(days=days)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), *span)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(data)
    return folder / f"{name}.pem", folder / f"{name}.key"


def _context(certificate: Path, key: Path, *, client_ca: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


def cases(world: WebWorld) -> Iterator[Case]:
    """Yield them."""
    for status, kind, sort in _STATUSES:
        yield Case(f"httpx2-{status}", kind, sort, _status_of(httpx2, world, status))
        if status in _FEW:
            yield Case(f"httpx-{status}", kind, sort, _status_of(httpx, world, status))
            yield Case(f"requests-{status}", kind, sort, _status_of(requests, world, status))
            yield Case(f"urllib-{status}", kind, sort, _urllib(world, f"/status/{status}"))
    for name, library in (("httpx2", httpx2), ("httpx", httpx)):
        yield from _of_httpx(name, library, world)
    yield from _of_requests(world)
    yield from _of_urllib(world)
    yield from _of_tls(world)
    yield from _of_aws(world)


def _status_of(library: Any, world: WebWorld, status: int) -> Any:
    return lambda: library.get(f"{world.base}/status/{status}").raise_for_status()


def _urllib(world: WebWorld, path: str) -> Any:
    return lambda: urllib.request.urlopen(f"{world.base}{path}").read()


def _of_httpx(name: str, library: Any, world: WebWorld) -> Iterator[Case]:
    def get(path: str, **more: Any) -> Any:
        return lambda: library.get(path if "://" in path else f"{world.base}{path}", **more)

    yield Case(f"{name}-refused", T, OTHER, get("http://127.0.0.1:1"))
    yield Case(f"{name}-host", T, OTHER, get("http://nosuch.invalid"))
    yield Case(f"{name}-slow", T, OTHER, get("/slow", timeout=0.05))
    yield Case(f"{name}-drop", T, OTHER, get("/drop"))
    yield Case(f"{name}-reset", T, OTHER, get("/reset"))
    yield Case(f"{name}-short", T, OTHER, get("/short"))
    yield Case(f"{name}-nonsense", T, OTHER, get("/nonsense"))
    yield Case(f"{name}-redirect", P, OTHER, get("/redirect", follow_redirects=True))
    yield Case(f"{name}-gzip", P, VALID, get("/gzip"))
    yield Case(f"{name}-scheme", P, VALID, get("ftp://127.0.0.1/"))
    yield Case(f"{name}-url", P, VALID, get("http://[::1"))
    yield Case(f"{name}-header", P, VALID, get("/", headers={"a": "b\n"}))
    yield Case(f"{name}-certificate", P, AUTH, get(f"https://localhost:{world.tls}"))


def _of_requests(world: WebWorld) -> Iterator[Case]:
    def get(path: str, **more: Any) -> Any:
        return lambda: requests.get(path if "://" in path else f"{world.base}{path}", **more)

    yield Case("requests-refused", T, OTHER, get("http://127.0.0.1:1"))
    yield Case("requests-host", T, OTHER, get("http://nosuch.invalid"))
    yield Case("requests-slow", T, OTHER, get("/slow", timeout=0.05))
    yield Case("requests-drop", T, OTHER, get("/drop"))
    yield Case("requests-chunk", T, OTHER, get("/chunk"))
    yield Case("requests-short", T, OTHER, get("/short"))
    yield Case("requests-redirect", P, OTHER, get("/redirect"))
    yield Case("requests-gzip", P, VALID, get("/gzip"))
    yield Case("requests-scheme", P, VALID, get("ftp://127.0.0.1/"))
    yield Case("requests-no-scheme", P, VALID, lambda: requests.get("127.0.0.1"))
    yield Case("requests-json", P, VALID, lambda: requests.get(f"{world.base}/s3/200").json())
    yield Case("requests-header", P, VALID, get("/", headers={"a": "b\n"}))
    yield Case("requests-certificate", P, AUTH, get(f"https://localhost:{world.tls}"))
    pool = urllib3.PoolManager(retries=False)
    yield Case("urllib3-refused", T, OTHER, lambda: pool.request("GET", "http://127.0.0.1:1"))
    yield Case("urllib3-drop", T, OTHER, lambda: pool.request("GET", f"{world.base}/drop"))
    yield Case("urllib3-slow", T, OTHER, lambda: pool.request("GET", f"{world.base}/slow", timeout=0.05))
    yield Case("urllib3-url", P, VALID, lambda: pool.request("GET", "http://[::1"))


def _of_urllib(world: WebWorld) -> Iterator[Case]:
    yield Case("urllib-refused", T, OTHER, lambda: urllib.request.urlopen("http://127.0.0.1:1"))
    yield Case("urllib-host", T, OTHER, lambda: urllib.request.urlopen("http://nosuch.invalid"))
    yield Case("urllib-slow", T, OTHER, lambda: urllib.request.urlopen(f"{world.base}/slow", timeout=0.05))
    yield Case("urllib-drop", T, OTHER, _urllib(world, "/drop"))
    yield Case("urllib-reset", T, OTHER, _urllib(world, "/reset"))
    yield Case("urllib-short", T, OTHER, _urllib(world, "/short"))
    yield Case("urllib-chunk", T, OTHER, _urllib(world, "/chunk"))
    yield Case("urllib-nonsense", T, OTHER, _urllib(world, "/nonsense"))
    yield Case("urllib-scheme", P, VALID, lambda: urllib.request.urlopen("nothing://a"))
    yield Case("urllib-no-scheme", P, VALID, lambda: urllib.request.urlopen("a"))
    yield Case("urllib-certificate", P, AUTH, lambda: urllib.request.urlopen(f"https://localhost:{world.tls}"))


def _of_tls(world: WebWorld) -> Iterator[Case]:
    def shake(port: int, trusts: Path | None, name: str = "localhost") -> None:
        context = ssl.create_default_context(cafile=trusts)
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.recv(1)  # of TLS 1.3 only here learns what the server thinks of us

    def closed_in_handshake() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=receive_and_close, args=(server,)).start()
            shake(server.getsockname()[1], None)

    def receive_and_close(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer:
            peer.recv(9_999)

    def old_only() -> None:
        context = ssl.create_default_context(cafile=world.certificate)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA")
        with socket.create_connection(("127.0.0.1", world.tls)) as plain:
            context.wrap_socket(plain, server_hostname="localhost")

    yield Case("tls-unknown-issuer", P, AUTH, lambda: shake(world.tls, None))
    yield Case("tls-other-name", P, AUTH, lambda: shake(world.tls, world.certificate, "example.org"))
    yield Case("tls-expired", P, AUTH, lambda: shake(world.expired, world.expired_certificate))
    yield Case("tls-no-client-certificate", P, AUTH, lambda: shake(world.mutual, world.certificate))
    yield Case("tls-on-plain-port", P, OTHER, lambda: shake(world.plain, None))
    yield Case("tls-no-common-cipher", P, OTHER, old_only)
    yield Case("tls-closed", T, OTHER, closed_in_handshake)
    yield Case("http-on-tls-port", T, OTHER, lambda: _get(world.tls))


def _get(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    finally:
        connection.close()


def _of_aws(world: WebWorld) -> Iterator[Case]:
    session = boto3.Session("a", "b", region_name="eu-west-1")

    def client(service: str, url: str, read_timeout: float = 30) -> Any:
        config = botocore.config.Config(
            retries={"total_max_attempts": 1}, read_timeout=read_timeout, s3={"addressing_style": "path"}
        )
        return session.client(service, endpoint_url=url, config=config)

    s3, dynamo = client("s3", world.base), client("dynamodb", world.base)

    def of_s3(status: int, code: str) -> Any:
        return lambda: s3.get_object(Bucket="s3", Key=f"{status}/{code}")

    def of_dynamo(status: int, code: str) -> Any:
        def call() -> None:
            world.dynamo(status, code)
            dynamo.get_item(TableName="abc", Key={"a": {"S": "b"}})

        return call

    for status, code, kind, sort in (
        (403, "AccessDenied", P, AUTH),
        (403, "SignatureDoesNotMatch", P, AUTH),
        (403, "InvalidAccessKeyId", P, AUTH),
        (400, "ExpiredToken", P, AUTH),
        (403, "RequestTimeTooSkewed", P, AUTH),
        (404, "NoSuchKey", P, OTHER),
        (404, "NoSuchBucket", P, OTHER),
        (400, "InvalidArgument", P, VALID),
        (412, "PreconditionFailed", P, OTHER),
        (400, "EntityTooLarge", P, VALID),
        (400, "RequestTimeout", T, OTHER),
        (503, "SlowDown", T, OTHER),
        (500, "InternalError", T, OTHER),
        (503, "ServiceUnavailable", T, OTHER),
    ):
        yield Case(f"s3-{code}", kind, sort, of_s3(status, code))
    for code, kind, sort in (
        ("ValidationException", P, VALID),
        ("ResourceNotFoundException", P, OTHER),
        ("ConditionalCheckFailedException", P, OTHER),
        ("UnrecognizedClientException", P, AUTH),
        ("AccessDeniedException", P, AUTH),
        ("SerializationException", P, VALID),
        ("ProvisionedThroughputExceededException", T, OTHER),
        ("ThrottlingException", T, OTHER),
        ("TransactionConflictException", T, OTHER),
    ):
        yield Case(f"dynamo-{code}", kind, sort, of_dynamo(400, code))
    yield Case("aws-parameter", P, VALID, lambda: s3.get_object(Bucket="a"))
    yield Case("aws-bucket-name", P, VALID, lambda: s3.get_object(Bucket="a b/", Key="x"))
    yield Case("aws-refused", T, OTHER, lambda: client("s3", "http://127.0.0.1:1").list_buckets())
    yield Case("aws-host", T, OTHER, lambda: client("s3", "http://nosuch.invalid").list_buckets())
    yield Case("aws-slow", T, OTHER, lambda: client("s3", world.base, 0.05).get_object(Bucket="slow", Key="x"))
    yield Case("aws-service", P, VALID, lambda: session.client("no-such-service"))
    yield Case("aws-region", P, VALID, lambda: session.client("s3", region_name="not a region"))
    yield Case("aws-profile", P, AUTH, lambda: boto3.Session(profile_name="no-such-profile"))
    yield Case("aws-no-keys", P, AUTH, _without_keys)


def _without_keys() -> None:
    import botocore.session

    session = botocore.session.Session()
    session.set_credentials(None, None)
    session.get_component("credential_provider").providers = []
    session.create_client("s3", region_name="eu-west-1", endpoint_url="http://127.0.0.1:1").list_buckets()
