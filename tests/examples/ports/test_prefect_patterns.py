"""More ports of Prefect's samples: retries, futures, events, hooks, background tasks and variables, through a `kill -9` of the worker."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

import mainspring as ms
from examples.ports.prefect import event_triggers, futures, retry_condition, state_hooks, variables
from tests import warm_command_line
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld
from tests.polling import polls


class WeatherService:
    """A real HTTP server: it is down at two requests, and does not answer the third one until `is_up` is set."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.hangs, self.is_up = threading.Event(), threading.Event()

    def reply(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body for a request."""
        self.requests.append(path)
        if path == "/missing":
            return 404, b""
        if len(self.requests) <= 2:
            return 503, b""
        self.hangs.set()
        self.is_up.wait(TIMEOUT_S)
        return 200, b'{"degrees": 7}'


@pytest.fixture
def weather() -> Iterator[tuple[WeatherService, str]]:
    """A weather service, and its address."""
    service = WeatherService()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = service.reply(self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the worker was killed
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield service, f"http://127.0.0.1:{server.server_port}"
        service.is_up.set()
        server.shutdown()
        thread.join()


@contextmanager
def web_service(world: PortWorld) -> Iterator[httpx2.Client]:
    """Run the web service of the sample in a process of its own; a client of it."""
    words = [sys.executable, "-m", "uvicorn", "examples.ports.prefect.background_tasks:site", "--uds", "site.sock"]
    env = world.env | {"MAINSPRING_STORE_URL": world.store}
    with (world.folder / "site.log").open("ab") as log:
        process = subprocess.Popen(words, cwd=world.folder, env=env, stdout=log, stderr=log)
    try:
        for _ in polls(TIMEOUT_S):
            assert process.poll() is None, (world.folder / "site.log").read_text()
            if (world.folder / "site.sock").exists():
                break
        with httpx2.Client(transport=httpx2.HTTPTransport(uds="site.sock"), base_url="http://site") as client:
            yield client
    finally:
        process.kill()
        process.wait()


def set_flag(world: PortWorld, value: int) -> None:
    """Set the variable `page-size`, as a person does."""
    words = ("flags", "set", "page-size", "--type", "number", "--value", str(value), "--share", "100%", "-y")
    env = world.env | {"MAINSPRING_STORE_URL": world.store}
    done = warm_command_line.call(words, cwd=world.folder, env=env, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_retries_futures_and_background_tasks(world: PortWorld, weather: tuple[WeatherService, str]) -> None:
    """Killed within the last attempt of a policy, between two results and after a mail: the order stays, each effect counts once."""
    app, (service, address) = world.app, weather
    hanging = ("futures:resize@2", "background_tasks:send_mail")
    fetched = app.start_sync(retry_condition.fetch_weather, f"{address}/weather.json")
    photos = app.start_sync(futures.publish_photos, ["cat", "dog", "emu"])
    with web_service(world) as client:
        accepted = client.post("/users", json={"address": "ana@example.com"})
        assert (accepted.status_code, accepted.json()["created"]) == (202, True)
        task = accepted.json()["run"]
        world.start_worker("prefect", *hanging)
        world.wait_for_hangs(*hanging)
        world.wait_until(service.hangs.is_set, "the last attempt")
        world.wait_until(lambda: any(" at 1" in line for line in world.read_ledger()), "the first photo")
        assert client.get(f"/tasks/{task}").json() == {"state": "running", "result": None}
        world.kill_worker()

        repeated = client.post("/users", json={"address": "ana@example.com"})
        assert repeated.json() == {"run": task, "created": False}
        service.is_up.set()
        missing = app.start_sync(retry_condition.fetch_weather, f"{address}/missing")
        world.start_worker("prefect")
        assert app.handle(task).result_sync(TIMEOUT_S) == "link for ana@example.com"
        assert client.get(f"/tasks/{task}").json() == {"state": "succeeded", "result": "link for ana@example.com"}
    assert fetched.result_sync(TIMEOUT_S) == {"degrees": 7}
    assert service.requests.count("/weather.json") == 4  # two failures, the lost attempt, the success
    with pytest.raises(ms.RunFailed, match="404"):
        missing.result_sync(TIMEOUT_S)
    assert service.requests.count("/missing") == 1
    published = photos.result_sync(TIMEOUT_S)

    ledger = world.read_ledger()
    assert sorted(published) == ["small-cat", "small-dog", "small-emu"]
    assert [line for line in ledger if line.startswith("publish")] == [
        f"publish {photo} at {position}" for position, photo in enumerate(published, 1)
    ]
    assert world.count_calls("confirm ana@example.com") == 2
    assert sorted(line for line in ledger if line.startswith(("confirm", "resize"))) == [
        *("confirm ana@example.com", "resize cat", "resize dog", "resize emu"),
    ]


@pytest.mark.slow
def test_events_hooks_and_variables(world: PortWorld) -> None:
    """Killed after an event, a hook and a page without a saved outcome: each counts once, and a run keeps its variable."""
    app = world.app
    hanging = ("event_triggers:load@2", "state_hooks:notify", "variables:export_page@2")
    world.env["MAINSPRING_SECRET_SHOP_TOKEN"] = "shop-token-1"
    cancelled = app.start_sync(state_hooks.sync_stock, "frankfurt am main")
    set_flag(world, 50)
    world.start_worker("prefect", *hanging)
    world.wait_for_waits(cancelled)
    exported = app.start_sync(variables.export_orders, 120)
    loaded = [app.start_sync(event_triggers.load_dataset, name) for name in ("orders", "customers", "prices")]
    synced = app.start_sync(state_hooks.sync_stock, "berlin")
    for export, within in (("e1", "0.2s"), ("e2", "1h")):
        app.publish_sync("export.started", {"export": export, "within": within})
    world.wait_for_hangs(*hanging)
    world.kill_worker()

    set_flag(world, 200)
    world.env["MAINSPRING_SECRET_SHOP_TOKEN"] = "token-2"
    app.cancel_sync(cancelled.id, "a wrong shop")
    app.publish_sync("export.finished", {"export": "e2"})
    closed = app.start_sync(state_hooks.sync_stock, "closed")
    later = app.start_sync(variables.export_orders, 120)
    world.start_worker("prefect")
    assert exported.result_sync(TIMEOUT_S) == [50, 50, 50]
    assert later.result_sync(TIMEOUT_S) == [200]
    for load in loaded:
        load.result_sync(TIMEOUT_S)
    assert synced.result_sync(TIMEOUT_S) == len("berlin")
    for failed in (cancelled, closed):
        with pytest.raises(ms.RunFailed):
            failed.result_sync(TIMEOUT_S)
    expected = {
        *("build the mart of orders", "check customers, orders, prices", "alert: e1 is not finished"),
        *("berlin has 6", "closed failed", "frankfurt am main cancelled"),
    }
    world.wait_until(lambda: expected <= set(world.read_ledger()), "the events and hooks")

    ledger = world.read_ledger()
    assert all(ledger.count(line) == 1 for line in expected)
    assert world.count_calls("berlin has 6") == 2
    assert "alert: e2 is not finished" not in ledger
    assert sorted(line for line in ledger if line.startswith("page")) == [
        *("page 0 of 200 orders, token of 7 characters", "page 0 of 50 orders, token of 12 characters"),
        *("page 1 of 50 orders, token of 12 characters", "page 2 of 50 orders, token of 7 characters"),
    ]
