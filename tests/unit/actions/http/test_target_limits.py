"""Targets with limits: what is sent, what is refused, and what becomes of a refused effect."""

import asyncio
import itertools
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

import mainspring as ms
from mainspring.actions import http
from mainspring.actions.http import limited_request
from mainspring.app.program_session import program_session
from mainspring.domain.effects.target_limits import TargetLimits
from mainspring.domain.failures.classifier import classify
from mainspring.domain.states import EffectState
from mainspring.resources.action_hosts import ACTION_HOSTS
from mainspring.store.commands.targets import ResetTarget
from mainspring.store.read.effects import read_effect
from mainspring.store.read.targets import list_targets

HOST = "127.0.0.1"
NUMBERS = itertools.count(1)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the host of the target limits."""

    def give(host: str = HOST, **limits: int) -> None:
        monkeypatch.setattr(ACTION_HOSTS, "limits", {host: TargetLimits(**limits)})

    return give


def reader() -> Any:
    """The store of this program."""
    return program_session()._store.reader


def paths(target: Any) -> list[str]:
    return [path for _, path, _ in target.requests]


def get_from_child(url: str) -> int:
    """The limits in a child process, where its worker sends the commands."""
    return http.get(url, allow=[HOST]).status


def run_step(tmp_path: Any, fn: Any, *args: Any, **options: Any) -> Any:
    @ms.workflow(name=f"w{next(NUMBERS)}")
    async def w(run: ms.Run) -> Any:
        return await run.options(**options).step(fn, *args)

    return ms.App(tmp_path / "ledger.db").run(w)


def test_first_request_loads_the_library_before_its_turn(target, tmp_path):
    """Otherwise the import would delay it into the turn of other requests."""
    code = f"""
import sys
from mainspring.actions import http
from mainspring.actions.http.limited_request import LimitedRequest
from mainspring.domain.effects.target_limits import TargetLimits
from mainspring.resources.action_hosts import ACTION_HOSTS

async def enter(self, place, timeout_s):
    print({{"httpcore2", "h11", "ssl"}} - sys.modules.keys())

LimitedRequest.enter = enter
ACTION_HOSTS.limits, ACTION_HOSTS.is_configured = {{"{HOST}": TargetLimits(1, 1000)}}, True
http.get("{target.base}/echo", allow=["{HOST}"])
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_host_without_limits_needs_no_store(target, limit, monkeypatch, tmp_path):
    """No command, no row."""
    limit("other.example.com", count=1, per_ms=60_000)
    monkeypatch.setenv("MAINSPRING_STORE_URL", f"sqlite:///{tmp_path}/none.db")
    for _ in range(2):
        assert http.get(f"{target.base}/echo").status == 200
    assert not (tmp_path / "none.db").exists()


def test_request_over_the_rate_is_not_sent(target, limit, ledger):
    """The error has the instant of the next one; each poll and each redirect counts."""
    limit(count=2, per_ms=3_600_000)
    assert http.get(f"{target.base}/redirect/1").status == 200
    with pytest.raises(
        http.HttpLimitError, match=r"the rate of 127.0.0.1 is used up, the next request may be sent in"
    ) as caught:
        http.get(f"{target.base}/echo")
    assert caught.value.code == "rate_limited"
    verdict = classify(caught.value)
    assert verdict.not_sent
    assert timedelta(minutes=59) < verdict.retry_after <= timedelta(hours=1)
    assert paths(target) == ["/redirect/1", "/echo"]


def test_short_wait_for_the_rate_is_no_part_of_the_timeout(target, limit, ledger):
    """The request is sent at the instant that was reserved."""
    limit(count=1, per_ms=1_500)
    for _ in range(2):
        assert http.get(f"{target.base}/echo", timeout="1s").status == 200


def test_failures_open_the_breaker_and_release_the_effect(target, limit, ledger):
    """The intent of a request that was not sent is released: it can be performed later."""
    limit(break_after=2)
    for _ in range(2):
        with pytest.raises(http.HttpStatusError, match="503"):
            http.get(f"{target.base}/status/503")
    with pytest.raises(http.HttpLimitError, match=r"the last 2 requests to 127.0.0.1 failed") as caught:
        http.post(f"{target.base}/orders", json={"number": 7}, once="order:7")
    assert caught.value.code == "circuit_open"
    assert "mainspring targets reset 127.0.0.1" in caught.value.hint
    assert read_effect(reader(), "order:7") is None
    assert target.orders == {}
    program_session().apply(ResetTarget(HOST))
    http.post(f"{target.base}/orders", json={"number": 7}, once="order:7")
    assert read_effect(reader(), "order:7").state is EffectState.DONE


def test_answer_of_a_working_target_is_no_failure(target, limit, ledger):
    """A 404 shows that it works, and ends the row of failures."""
    limit(break_after=2)
    for status in (503, 404, 503, 404, 429):
        with pytest.raises(http.HttpStatusError):
            http.get(f"{target.base}/status/{status}")
    (state,) = list_targets(reader())
    assert (state.failures, state.open_until_at) == (1, None)


@pytest.mark.parametrize("path", ["slow", "closed"])
def test_target_that_does_not_answer_fails(target, limit, ledger, path):
    """In time, or at all."""
    limit(break_after=1)
    url = f"{target.base}/slow" if path == "slow" else "http://127.0.0.1:1/"
    with pytest.raises(ms.Transient):
        http.get(url, timeout="0.2s")
    with pytest.raises(http.HttpLimitError):
        asyncio.run(http.request_async("GET", url))


def test_refused_step_comes_back_for_its_turn(target, limit, ledger, tmp_path, monkeypatch):
    """Each of many is refused once at most, so two attempts are enough for all."""
    monkeypatch.setattr(limited_request, "LONGEST_WAIT_MS", 50)
    limit(count=1, per_ms=300)

    @ms.workflow
    async def fetch_all(run: ms.Run) -> list[int]:
        fetch = run.options(retry=ms.Retry(attempts=2), isolate="thread")
        return await fetch.map(get_from_child, [f"{target.base}/echo?{number}" for number in range(6)])

    assert ms.App(tmp_path / "ledger.db").run(fetch_all) == [200] * 6
    assert len(target.requests) == 6


@pytest.mark.parametrize("isolate", ["thread", "process"])
def test_steps_share_the_limits_with_programs(target, limit, ledger, tmp_path, isolate):
    """A step in a child process sends its commands by the worker."""
    limit(count=2, per_ms=3_600_000, break_after=1)
    assert run_step(tmp_path, get_from_child, f"{target.base}/echo", isolate=isolate) == 200
    assert http.get(f"{target.base}/echo").status == 200
    retry = ms.Retry(attempts=1)
    with pytest.raises(ms.RunFailed, match=r"the rate of 127.0.0.1 is used up"):
        run_step(tmp_path, get_from_child, f"{target.base}/echo", isolate=isolate, retry=retry)
    program_session().apply(ResetTarget(HOST))
    for _ in range(2):
        with pytest.raises(ms.RunFailed, match=r"503|the last request to 127.0.0.1 failed"):
            run_step(tmp_path, get_from_child, f"{target.base}/status/503", isolate=isolate, retry=retry)
    assert len(target.requests) == 3
