"""Rotation under load: 50 runs use a secret while it is rotated, none fails, and the old version is not used after its grace time."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.actions import http
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.integrations.secrets.age_secrets import AgeSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from mainspring.service.secret import retire_versions
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.read.secret_uses import list_secret_uses
from tests.acceptance.engine_world import World
from tests.http_target import Target
from tests.unit.store.sqlite.stores import StoppedClock

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

RUNS, CALLS = 50, 4
OLD, NEW = "the-old-token-of-the-api", "the-new-token-of-the-api"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    server = Target(tmp_path / "record")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def tokens_by_run(target: Target) -> dict[str, list[str]]:
    """Return the tokens that the target got, by the run that sent them."""
    found: dict[str, list[str]] = {}
    for _, path, headers in list(target.requests):
        found.setdefault(path.rpartition("/")[2], []).append(headers["authorization"].removeprefix("Bearer "))
    return found


async def test_rotation_under_fifty_runs_fails_none_of_them(tmp_path: Path, target: Target) -> None:
    """The provider is cached, so that some attempts meet a 401 with the old version and read again."""
    instant = [1_000_000]
    file = AgeSecrets(tmp_path / "secrets.age", tmp_path / "secrets.key", lambda: instant[0])
    file.init()
    file.write("API", OLD)
    secrets = SecretStore([ProviderEntry(file, is_local=False)])
    target.accepted = frozenset({OLD})
    go_on = asyncio.Event()

    with Registry() as registry:

        @ms.step
        async def call(number: int, place: int) -> int:
            if place == CALLS - 1:
                await go_on.wait()
            key = ms.secret("API")
            reply = await http.request_async("GET", f"{target.base}/guarded/{number}", bearer=key, allow=["127.0.0.1"])
            return reply.status

        @ms.workflow(secrets=["API"])
        async def work(run: ms.Run, number: int) -> int:
            return sum(
                [await run.options(retry=ms.Retry(attempts=1)).step(call, number, place) for place in range(CALLS)]
            )

    async with World(tmp_path).engine(registry, secrets=secrets) as engine:
        runs = [await engine.start(work, number) for number in range(RUNS)]
        await engine.when(lambda: len(target.requests), lambda count: count >= RUNS // 2)
        assert file.rotate("API", NEW, grace_ms=60_000) == "v2"
        target.accepted = frozenset({OLD, NEW})
        await engine.when(
            lambda: tokens_by_run(target), lambda found: sum(map(len, found.values())) >= RUNS * (CALLS - 1)
        )
        # The grace time is over: the target does not accept the old version any more, while each run has one call left.
        instant[0] += 60_000
        target.accepted = frozenset({NEW})
        before = len(target.requests)
        go_on.set()
        results = [(await engine.until(run, RunState.SUCCEEDED, RunState.FAILED)).state for run in runs]
        assert results == [RunState.SUCCEEDED] * RUNS
        late = [headers["authorization"] for _, _, headers in target.requests[before:]]
        assert late.count(f"Bearer {NEW}") == RUNS
        assert secrets.read("API").version == "v2"
        store = engine.working.store
        clock = StoppedClock(instant[0])
        retired = await asyncio.to_thread(
            retire_versions, secrets, store, store.reader, clock, may_read=lambda *_: True
        )
        assert retired == ["API v1"]
        assert [item.version for item in file.live_versions("API")] == ["v2"]
        assert [row.verb for row in audit_page(store.reader, AuditFilter(subject="secret:API")).rows] == ["retire"]
        uses = {use.version: use.number for use in list_secret_uses(store.reader, "API", 0, 2**60, 100)}
        assert set(uses) == {"v1", "v2"}
        assert RUNS * CALLS <= sum(uses.values()) <= RUNS * CALLS + RUNS
