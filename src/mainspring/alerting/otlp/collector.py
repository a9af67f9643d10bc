"""The connection to a collector: POST over HTTP/1.1, one kept connection, never redirected, each operation limited in time.

A collector closes an idle connection, so a request that fails on a kept connection is sent once more on a new one.
"""

import contextlib
import http.client
import re
import ssl
from urllib.parse import unquote, urlsplit

from mainspring.domain.errors import ConfigError
from mainspring.resources.error_text import ErrorText

WITHIN_S = 10.0
TRACES, METRICS = "/v1/traces", "/v1/metrics"
"""The path of each kind, behind the endpoint."""
_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_LARGEST = 64 * 1024
_LATER = frozenset({408, 429, 500, 502, 503, 504})


class CollectorUnavailableError(Exception):
    """The collector cannot accept the request now; `text` is the reason, without secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class CollectorRejectsError(CollectorUnavailableError):
    """The collector will never accept this request."""


class Collector:
    """A collector; for one thread. `secret` = the name of the secret with its headers, read for each connection."""

    def __init__(
        self, endpoint: str, secret: str | None, faults: ErrorText, *, path: str = TRACES, within_s: float = WITHIN_S
    ) -> None:
        self._address = urlsplit(endpoint)
        self._path = self._address.path + path
        self._secret = secret
        self._faults = faults
        self._within_s = within_s
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}

    def send(self, body: bytes) -> None:
        """Send a request body.

        Raises:
            CollectorRejectsError: a retry is useless.
            CollectorUnavailableError: a retry may succeed.
        """
        try:
            status = self._send_with_retry(body)
        except (OSError, http.client.HTTPException, ConfigError) as error:
            self.close()
            raise CollectorUnavailableError(self._faults.of(error) or type(error).__name__) from None
        if 200 <= status < 300:
            return
        self.close()  # its secret may have been replaced
        fault = f"it answers {status}"
        raise CollectorUnavailableError(fault) if status in _LATER else CollectorRejectsError(fault)

    def _send_with_retry(self, body: bytes) -> int:
        was_reused = self._connection is not None
        try:
            return self._post(body)
        except (ConnectionError, ssl.SSLError):
            self.close()
            if not was_reused:
                raise
            return self._post(body)

    def _post(self, body: bytes) -> int:
        if self._connection is None:
            self._headers = {} if self._secret is None else read_headers(self._faults.get(self._secret), self._faults)
            self._connection = self._open()
        headers = {"content-type": "application/x-protobuf", "user-agent": "mainspring", **self._headers}
        self._connection.request("POST", self._path, body, headers)
        with self._connection.getresponse() as response:
            response.read(_LARGEST)
            if not response.isclosed():  # more than that is not read, so the connection cannot be used again
                self.close()
            return response.status

    def _open(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._within_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=self._within_s, context=context)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None


def read_headers(text: str, faults: ErrorText) -> dict[str, str]:
    """Return the headers of `NAME=VALUE,NAME=VALUE`, as in OTEL_EXPORTER_OTLP_HEADERS; each value is a secret.

    Raises:
        ConfigError: the text has another form; the error does not repeat it.
    """
    headers: dict[str, str] = {}
    for part in text.replace("\n", ",").split(","):
        name, mark, value = part.strip().partition("=")
        if not part.strip():
            continue
        value = unquote(value.strip())
        if not mark or not _NAME.fullmatch(name.strip()) or not (value.isascii() and value.isprintable()):
            raise ConfigError("the headers for the collector cannot be read", hint="Write NAME=VALUE,NAME=VALUE.")
        faults.hide(value)
        headers[name.strip()] = value
    return headers
