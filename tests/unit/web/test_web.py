"""The web process: what it answers to whom, and how figures are written."""

import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from mainspring.alerting.metrics.series import MetricSnapshot, RunMetrics
from mainspring.app.processes.host_status import HostStatus
from mainspring.domain.errors import ConfigError, StoreUnavailableError
from mainspring.store.queue_load import QueueLoad, TagLoad
from mainspring.store.trigger_views import ConsumerView
from mainspring.web.auth.metrics_token import TOKEN_VARIABLE, MetricsToken, find_metrics_token
from mainspring.web.exposition import render_exposition
from mainspring.web.routes import ProbeRoutes, is_public
from mainspring.web.server.http_server import is_loopback
from mainspring.web.webhooks.request_counts import WebhookCounts

SECRET = "correct-horse-battery"


class HostChecks:
    """A look that was answered once; `missing` as it was found then."""

    def __init__(self, *missing: str, is_open: bool = True) -> None:
        self._here = HostStatus({}, {}, list(missing))
        self.is_open = is_open

    def missing(self) -> list[str]:
        return self._here.missing


async def ask(
    routes: ProbeRoutes, path: str, *, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Ask the application as a server does."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "scheme": "http", "http_version": "1.1", "server": ("h", 1), "client": ("h", 2),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await routes.app()(scope, receive, send)  # type: ignore[arg-type]
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]).decode()


def routes(
    host_checks: HostChecks | None = None, token: MetricsToken | None = None, *, is_open: bool = True, store: Any = None
) -> ProbeRoutes:
    webhook_state = SimpleNamespace(listen_error=None, table=[], counts=WebhookCounts())
    checks = host_checks or HostChecks()
    return ProbeRoutes(SimpleNamespace(store=store), checks, token, is_open=is_open, intake=webhook_state)  # type: ignore[arg-type]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/", "/healthz/", "/healthz/x", "/readyz/", "/metrics/", "/HEALTHZ", "/docs"])
async def test_everything_but_three_paths_is_not_there(path):
    """Paths are exact: what is not named is denied."""
    assert (await ask(routes(), path))[0] == 404


@pytest.mark.asyncio
async def test_probes_distinguish_liveness_and_readiness():
    """A process lives whatever is missing; it is ready when nothing is."""
    assert (await ask(routes(HostChecks("the store does not answer")), "/healthz"))[0] == 200
    assert (await ask(routes(), "/readyz"))[0] == 200
    status, headers, body = await ask(routes(HostChecks("1 of 1 worker processes")), "/readyz")
    assert (status, "1 of 1 worker processes" in body) == (503, True)
    assert headers["cache-control"] == "no-store"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("token", "is_open", "message", "status"),
    [
        (None, False, None, 401),
        (None, False, f"Bearer {SECRET}", 401),
        (SECRET, False, f"Bearer {SECRET}", 503),
        (SECRET, False, f"bearer {SECRET}", 503),
        (SECRET, False, f"Bearer {SECRET}x", 401),
        (SECRET, False, f"Basic {SECRET}", 401),
        (SECRET, False, "Bearer", 401),
        (SECRET, True, None, 401),
        (None, True, None, 503),
    ],
)
async def test_metrics_need_the_token(token, is_open, message, status):
    """Outside of loopback no one gets them without one; 503 = let in, but the store has not answered yet."""
    made = routes(HostChecks(is_open=False), None if token is None else MetricsToken(token, "test"), is_open=is_open)
    headers = {} if message is None else {"authorization": message}
    found, answered, body = await ask(made, "/metrics", **headers)
    assert found == status
    assert ("www-authenticate" in answered) == (status == 401)
    assert SECRET not in body


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 503),
        ({"host": "localhost:7171"}, 503),
        ({"host": "evil.example"}, 401),
        ({"x-forwarded-for": "203.0.113.9"}, 401),
        ({"forwarded": "for=203.0.113.9"}, 401),
        ({"via": "1.1 caddy"}, 401),
        ({"x-real-ip": "203.0.113.9"}, 401),
    ],
)
async def test_metrics_need_a_token_behind_a_proxy(headers, status):
    """Loopback hears them freely only if the request is from this machine itself; 503 = let in, but the store has not answered yet."""
    assert (await ask(routes(HostChecks(is_open=False), None, is_open=True), "/metrics", **headers))[0] == status


def test_public_address_closes_the_metrics():
    """A proxy that says nothing of itself (nginx as it comes) is known by `web.public_url`."""
    assert is_public("https://ops.example.com/ms")
    assert not is_public(None)
    assert not is_public("http://localhost:7171")
    assert not is_public("http://127.0.0.1:8080/x")


@pytest.mark.asyncio
async def test_store_that_is_unreachable_is_reported():
    """Not as a fault of ours, and without the address."""

    class Away:
        def snapshot(self):
            raise StoreUnavailableError("the database is unreachable\nat postgresql://u@h/d")

        read = snapshot

    store = SimpleNamespace(reader=Away(), clock=SimpleNamespace(now=lambda: 0))
    Away.read = lambda self, *args: self.snapshot()
    status, _, body = await ask(routes(store=store), "/metrics")
    assert (status, body) == (503, "the database is unreachable\n")


def test_token_comes_from_a_file_that_others_cannot_read(tmp_path):
    """Or from the variable; a file that other users can read or change, a missing and an empty one are refused, and never shown."""
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o640)
    found = find_metrics_token(file, {})
    assert found is not None
    assert found.opens(f"Bearer {SECRET}")
    for mode in (0o644, 0o660, 0o602):
        file.chmod(mode)
        with pytest.raises(ConfigError, match=r"other users can read or change"):
            find_metrics_token(file, {})
    file.chmod(0o600)
    file.write_text("short")
    with pytest.raises(ConfigError, match="at least 16") as refused:
        find_metrics_token(file, {})
    assert "short" not in str(refused.value).replace("shortest", "")
    with pytest.raises(ConfigError, match="cannot be read"):
        find_metrics_token(tmp_path / "none", {})
    by_variable = find_metrics_token(None, {TOKEN_VARIABLE: SECRET})
    assert by_variable is not None
    assert find_metrics_token(None, {}) is None


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("10.1.2.3", False)],
)
def test_only_loopback_is_local(host, is_local):
    """Whatever can be reached from outside needs a token."""
    assert is_loopback(host) == is_local


def load(name: str, **more: Any) -> QueueLoad:
    values: dict[str, Any] = {
        "concurrency": None, "rate_count": None, "rate_per_ms": None, "rate_starts": "[]", "max_backlog": None, "backlog": 0,
        "paused_at": None, "paused_by": None, "pause_reason": None, "running": 0, "claimable": 0, "oldest_s": None, "workers": 0,
        "capacity": 0, "tags": {},
    }  # fmt: skip
    return QueueLoad(name=name, **(values | more))


def consumer_view(trigger: str, connected_at: int | None, unreachable_since: int | None) -> ConsumerView:
    return ConsumerView(trigger, 1, connected_at, unreachable_since, None, None)


def test_metrics_are_escaped_and_idle_queues_are_zero():
    """A name of a queue cannot write lines of its own; a queue in which nothing waits is 0, not absent."""
    text = render_exposition(
        MetricSnapshot(
            10_000,
            RunMetrics(Counter()),
            [load('a"b\\c\nd', tags={"gpu": TagLoad(3, 2.5)}), load("idle", concurrency=8)],
            consumers=[
                consumer_view("a/queue", None, 2_500),
                consumer_view("b/queue", 1, None),
                consumer_view("b/queue", None, 1),
            ],
            waiting={"a/webhook": 9_000},
            answers={("a/webhook", "accepted"): 3},
        )
    )
    name = r"a\"b\\c\nd"
    assert f'mainspring_queue_claimable_runs{{queue="{name}",tag="gpu"}} 3\n' in text
    assert f'mainspring_queue_oldest_seconds{{queue="{name}",tag="gpu"}} 2.5\n' in text
    assert 'mainspring_queue_claimable_runs{queue="idle",tag=""} 0\n' in text
    assert re.findall(r"mainspring_queue_limit_runs\{.*", text) == ['mainspring_queue_limit_runs{queue="idle"} 8']
    assert 'mainspring_trigger_unreachable_seconds{trigger="a/queue"} 7.5\n' in text
    assert 'mainspring_trigger_unreachable_seconds{trigger="b/queue"} 0\n' in text, "another scheduler fetches from it"
    assert 'mainspring_trigger_undecided_seconds{trigger="a/webhook"} 1\n' in text
    assert "# TYPE mainspring_webhook_requests_total counter\n" in text
    assert 'mainspring_webhook_requests_total{trigger="a/webhook",answer="accepted"} 3\n' in text
