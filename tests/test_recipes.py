"""The recipes of CONTRIBUTING.md: followed literally in a copy of the source, each integration works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEW_FILE = re.compile(r"Write `(src/[\w/]+\.py)`:")
LINE = re.compile(r"Add a line to `(\w+)` in `(src/[\w/]+\.py)`:")

NOTIFIER = """
import asyncio
from mainspring.domain.errors import OptionError
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.notifiers import open_link, read_channel_address
from tests.unit.alerting.notices import CLOCK, notice, secrets
from tests.unit.alerting.peer import Peer, serving

class Server(Peer):
    status = 200

    def answer(self, path, headers, body):
        return self.status, {}, {}

async def main():
    async with serving(Server()) as server:
        channel = read_channel_address(f"ntfy://secret:NTFY/ops?api={server.url}")
        assert channel.secrets == ("NTFY",)
        link = open_link(channel, secrets(NTFY="t0ken"), CLOCK)
        await link.send(notice(), None)
        (path, headers, body), = server.requests
        assert (path, headers["authorization"]) == ("/ops", "Bearer t0ken")
        assert b"backup: opened" in body
        server.status = 413
        try:
            await link.send(notice(), None)
        except ChannelFault as fault:
            assert fault.is_final
        else:
            raise AssertionError("a rejected notice was not reported")
        await link.close()

asyncio.run(main())
for address in ("ntfy://t0ken/ops", "ntfy://secret:NTFY", "nfty://secret:NTFY/ops"):
    try:
        read_channel_address(address)
    except OptionError as error:
        assert "ntfy://secret:NAME/TOPIC" in error.hint
    else:
        raise AssertionError(address)
"""

VERIFIER = """
import hmac
import msgspec
import mainspring as ms
from mainspring.domain.triggers.trigger import Trigger
from mainspring.engine.definitions.trigger_draft import build_trigger_draft
from mainspring.insight.triggers.trigger_list import build_curl_command
from mainspring.integrations.verifiers import verify_request
from mainspring.integrations.webhooks.webhook_delivery import read_webhook_request

webhook = build_trigger_draft("webhook", {"path": "/linear", "verify": "linear:HOOK"}).source
assert webhook.verify == ms.verify.linear("HOOK")
stored = msgspec.json.encode(Trigger(source=webhook))
assert b'"verify":{"type":"linear","secrets":["HOOK"]}' in stored
assert msgspec.json.decode(stored, type=Trigger).source == webhook
body = b'{"action": "create"}'
signature = hmac.new(b"s3cret", body, "sha256").hexdigest()
headers = {
    "content-type": "application/json", "linear-signature": signature, "linear-delivery": "d-1", "linear-event": "Issue",
}
assert verify_request(webhook.verify, body, headers, ["old", "s3cret"], 0) is None
assert verify_request(webhook.verify, body + b" ", headers, ["s3cret"], 0).code == "bad_signature"
assert verify_request(webhook.verify, body, {}, ["s3cret"], 0).code == "no_signature"
delivery = read_webhook_request(webhook, body, headers).delivery
assert (delivery.key, delivery.name) == ("d-1", "Issue")
assert "linear-signature" not in delivery.headers
assert ' -H "linear-signature: $({ ' in build_curl_command(webhook, "http://localhost:7172")
"""

BROKER = """
import asyncio
import mainspring as ms
from mainspring.engine.definitions.trigger_draft import build_trigger_draft
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import check_broker, check_queue_name, open_source, resolve_queue_address

url = "memory://here?queue=orders"
queue = build_trigger_draft("queue", {"url": url}).source
assert (queue.broker, queue.name) == ("memory", "orders")
check_queue_name(url)
check_broker("local", "memory://here")
assert resolve_queue_address("local/orders", {"local": "memory://here"}) == url

async def main():
    source = open_source(queue, resolve_server(queue.server, {}.__getitem__), "group")
    await source.connect()
    for number in (b"1", b"2"):
        await source.publish(f"k{number}", number, {})
    first, second = await source.fetch(10)
    assert (first.body, second.body) == (b"1", b"2")
    await source.acknowledge([first])
    await source.give_back(second, 0)
    assert await source.fetch(10) == [second]
    await source.close()

asyncio.run(main())
"""

SOURCE = """
import asyncio
import tempfile
import threading
from pathlib import Path

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.insight.automations.source_description import describe_source
from mainspring.engine.definitions.trigger_draft import build_trigger_draft

alarmed = threading.Event()
ends = []

@ms.task
def extract(fails: bool) -> None:
    if fails:
        raise ms.Permanent("no")

@ms.task
def load() -> None: ...

@ms.on.failure(["extract", "load"])
@ms.task
def alarm(end: ms.Event) -> None:
    ends.append((end.data["automation"], end.data["state"]))
    alarmed.set()

async def main():
    with tempfile.TemporaryDirectory() as folder:
        app = ms.App(Path(folder) / "state.db")
        async with app.running():
            await (await app.start(extract, False)).result(timeout=30)
            await app.start(extract, True)
            assert await asyncio.to_thread(alarmed.wait, 60)
    assert ends == [("extract", "failed")]

if __name__ == "__main__":
    asyncio.run(main())
    assert describe_source(build_trigger_draft("failure", {"automations": ["a", "b"]}).source) == "a failed run of a or b"
    try:
        ms.on.failure([])
    except OptionError as error:
        assert "ms.on.failure" in error.hint
    else:
        raise AssertionError("no automation was accepted")
"""


class Recipe(NamedTuple):
    """The parts that a recipe shows: a new file, and a line of a table."""

    path: str
    code: str
    table: str
    table_path: str
    line: str


def read_recipe(heading: str) -> Recipe:
    """Return the recipe below a heading."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"### {heading}\n")
    text = re.split(r"^#{2,3} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    code, line = BLOCK.findall(text)
    (path,), ((table, table_path),) = NEW_FILE.findall(text), LINE.findall(text)
    return Recipe(path, code, table, table_path, line)


@pytest.mark.parametrize(
    ("heading", "program"),
    [
        ("Add a notifier", NOTIFIER),
        ("Add a sender of webhooks", VERIFIER),
        ("Add a broker", BROKER),
        ("Add a kind of trigger source", SOURCE),
    ],
    ids=["notifier", "sender", "broker", "source"],
)
def test_recipe_works_when_it_is_followed(heading, program, tmp_path):
    """One file and one line, nothing else; and the file passes the lint."""
    recipe = read_recipe(heading)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "static"))
    new_file, table_file = tmp_path / recipe.path, tmp_path / recipe.table_path
    assert not new_file.exists(), "choose an example that Mainspring does not have"
    new_file.write_text(recipe.code, encoding="utf-8")
    start = f"{recipe.table} = {{\n"
    source = table_file.read_text(encoding="utf-8")
    assert source.count(start) == 1
    table_file.write_text(source.replace(start, start + recipe.line), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'src'}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    script = tmp_path / "program.py"
    script.write_text(program, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", script], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for check in (["check"], ["format", "--check"]):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *check,
            "--config",
            ROOT / "pyproject.toml",
            "--no-cache",
            new_file,
            table_file,
        ]
        lint = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert lint.returncode == 0, lint.stdout + lint.stderr
