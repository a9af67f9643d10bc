"""The bot: the same build told of three times, one message."""

import json
import socket
import urllib.error
import urllib.request

from tests.examples.lab import EXAMPLES, Lab, await_that
from tests.free_port import free_port
from tests.hook_samples import FOLDER, SECRET, Request, sample, signed

BOT = str(EXAMPLES / "build_bot.py")
BUILD = sample("github-workflow-run")


def send(url: str, request: Request) -> tuple[int, dict]:
    """Send one request; return its status and answer."""
    http_request = urllib.request.Request(url, request.body, request.headers, method="POST")
    try:
        with urllib.request.urlopen(http_request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_build_reported_three_times_makes_one_message(lab: Lab) -> None:
    """Sent, sent again under its id, and sent by another hook under another id: one message. A forged one is rejected and on record."""
    port = free_port()
    lab.env |= {
        "MAINSPRING_SECRET_GITHUB_HOOK": SECRET,
        "MAINSPRING_HOOKS_BIND": f"127.0.0.1:{port}",
        "MAINSPRING_WEB_BIND": f"127.0.0.1:{free_port()}",
        "MAINSPRING_UP_ROLES": "worker,scheduler,web",
    }
    lab.start("-m", "mainspring", "up", "-m", BOT)
    await_that(lambda: listens(port), "the listener")
    url = f"http://127.0.0.1:{port}/github"
    other = BUILD._replace(headers=BUILD.headers | {"x-github-delivery": "another-hook"})
    await_that(lambda: send(url, signed("github", BUILD))[0] == 202, "the webhook, once a worker told of it")
    first, second, third = (send(url, signed("github", body)) for body in (BUILD, BUILD, other))
    assert [status for status, _ in (first, second, third)] == [202, 202, 202]
    assert first[1]["delivery"] == second[1]["delivery"] != third[1]["delivery"]
    assert send(url, signed("github", BUILD, secret="forged"))[0] == 401

    channel = lab.folder / "channel.txt"
    await_that(channel.exists, "the message")

    def delivered() -> list[str]:
        displayed = json.loads(lab.call("triggers", "show", "build-bot", "--json"))
        return sorted(delivery["state"] for delivery in displayed["deliveries"])

    await_that(lambda: delivered() == ["dropped", "refused", "started"], "a verdict on each")
    (line,) = channel.read_text().splitlines()
    assert line.endswith("example-org/orchard: build #12 failure")


def test_sample_event_is_tried_without_a_worker(lab: Lab) -> None:
    """The bench says what a recorded event would do, and a build that only begins is filtered."""
    output = lab.call("triggers", "test", "build-bot", f"@{FOLDER / 'github-workflow-run.json'}", "-m", BOT)
    assert "a run of build-bot starts at once" in output
    assert "its filter accepted it" in output
    event = json.loads((FOLDER / "github-workflow-run.json").read_text())
    event["body"]["action"] = "requested"
    (lab.folder / "begun.json").write_text(json.dumps(event))
    assert "its filter rejected it" in lab.call("triggers", "test", "build-bot", "@begun.json", "-m", BOT, code=9)
