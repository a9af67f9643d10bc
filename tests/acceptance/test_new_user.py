"""What a new user does from a fresh folder, in order: README, tutorial, and three automations with the docs alone."""

import base64
import hashlib
import hmac
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.newcomer import ROOT, TIMEOUT_S, NewUser
from tests.acceptance.page_commands import blocks_of
from tests.polling import polls

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
SCRIPT = "#!/bin/sh\necho saved > backup.out\n"


@pytest.fixture
def user(tmp_path: Path, built_environment: Path) -> Iterator[NewUser]:
    made = NewUser(tmp_path, built_environment)
    yield made
    made.close()


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file with an editor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_readme_commands_work_as_written_the_kill_included(user: NewUser) -> None:
    """Every block in its order: the project, the workflow that is killed with kill -9, the crontab lines, scripts and schedules."""
    page = ROOT / "README.md"
    assert len(page.read_text(encoding="utf-8").splitlines()) < 150
    first, *rest_of_them = blocks_of(page)
    user.follow([first])
    user.folder /= "shop"
    write(user.folder / "backup.sh", SCRIPT, 0o755)  # "Wrap what you have"
    output = user.follow(rest_of_them)
    output += (user.folder / "log").read_text(encoding="utf-8") + (user.folder / "up.log").read_text(encoding="utf-8")
    assert output.count("charging order 7") == 1, "a step that had finished ran again after kill -9"
    (order,) = user.ask("mainspring --store orders.db runs list")
    assert (order["state"], order["steps"]) == ("succeeded", 2)
    run_page = user.ask(f"mainspring --store orders.db runs show {order['id'][-6:]}")
    assert run_page["claim"] == 2, "one process began it, another one ended it"
    assert run_page["result"] == "shipped after payment of order 7"
    runs = user.ask("mainspring runs list --limit 50")
    ended = {(run["automation"], run["state"]) for run in runs}
    assert {("order-demo", "succeeded"), ("backup", "succeeded"), ("sync", "succeeded")} <= ended
    assert (user.folder / "backup.out").exists()
    assert {"backup", "sync", "build", "order-demo"} <= {
        automation["name"] for automation in user.ask("mainspring auto list")
    }


def test_tutorial_commands_work_as_written_the_kill_included(user: NewUser) -> None:
    """From a script to a workflow that is killed in the middle and resumed, and the same on purpose."""
    user.stay_out_of_the_machine()
    output = user.follow(blocks_of(ROOT / "docs" / "tutorial.md"))
    assert "reserve ran once" in output
    orders = user.ask("mainspring runs list --name order")
    assert [run["state"] for run in orders] == ["succeeded", "succeeded"]
    (rates,) = user.ask("mainspring runs list --name fetch_rates")
    assert rates["state"] == "succeeded"
    reports = user.ask("mainspring runs list --name report")
    assert {run["state"] for run in reports} == {"succeeded"}
    (loaded,) = user.ask("mainspring --store tutorial.db runs list --name load_all")
    assert loaded["state"] == "succeeded"


def test_add_script_reaches_a_working_thing(user: NewUser) -> None:
    """Anyone who types what init and add print next has a script that runs by itself and is on record."""
    user.type("mainspring init .")
    output = user.type("mainspring add script cleanup --every 1m -- ./cleanup.sh")
    (typed,) = [line.split("(")[0].strip() for line in output.splitlines() if line.strip().startswith("mainspring run")]
    user.type(typed)
    (line,) = [line.split("(")[0].strip() for line in output.splitlines() if line.strip().startswith("mainspring dev")]
    user.begin(line)
    found = any(
        run["trigger"].startswith("schedule")
        for _ in polls(TIMEOUT_S, pause_s=2)  # of a minute
        for run in user.ask("mainspring runs list --name cleanup")
    )
    assert found, (user.folder / "other-terminal.log").read_text(encoding="utf-8")


def test_backup_by_exec_reports_its_failure(user: NewUser) -> None:
    """exec.md: a line of a crontab that works, fails, is reported, and is healthy again with the next success."""
    (crontab,) = [block for block in blocks_of(ROOT / "README.md") if block.text.startswith("mainspring exec")]
    line, watch = crontab.text.strip().splitlines()
    user.stay_out_of_the_machine()
    write(user.folder / "backup.sh", SCRIPT, 0o755)
    user.type(line)
    user.type(watch)
    assert "✓" in user.type("mainspring status")
    write(user.folder / "backup.sh", "#!/bin/sh\necho 'disk is full' >&2\nexit 78\n", 0o755)
    assert "disk is full" in user.type(line, code=78)
    user.type(watch)
    status = user.type("mainspring status", code=9)
    assert "backup" in status
    (incident,) = user.ask("mainspring incidents list")
    assert (incident["subject"]["automation"], incident["state"]) == ("backup", "open")
    assert "disk is full" in user.type("mainspring runs show @failed")
    write(user.folder / "backup.sh", SCRIPT, 0o755)
    user.type(line)
    user.type(watch)
    user.type("mainspring status")
    assert user.ask("mainspring incidents list") == []


def test_build_bot_counts_each_delivery_once(user: NewUser) -> None:
    """webhooks.md: signed deliveries start builds, another branch starts none, a stranger is rejected, a broken build is reported."""
    user.type("mainspring init .")
    (ci,) = [block for block in blocks_of(ROOT / "README.md") if block.path == "automations/ci.py"]
    broken = "    if event.data['after'] == 'broken':\n        raise ms.Permanent('tests failed')\n    return"
    write(user.folder / "automations" / "ci.py", ci.text.replace("    return", broken))
    user.env["MAINSPRING_SECRET_CI_HOOK"] = secret = base64.b64encode(b"0" * 24).decode()
    user.begin("mainspring up")
    listening = any(
        trigger["state"] == "listening"
        for _ in polls(TIMEOUT_S)
        for trigger in user.ask("mainspring triggers list")
        if trigger["name"]
    )
    assert listening, (user.folder / "other-terminal.log").read_text(encoding="utf-8")

    def send(delivery: str, after: str, branch: str = "main", key: str = secret) -> int:
        body = json.dumps({"ref": f"refs/heads/{branch}", "after": after}).encode()
        signature = "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": delivery, "X-GitHub-Event": "push"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{user.hooks}/ci", body, {**headers, "Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    is_accepted = any(send("d-1", "a1") == 202 for _ in polls(60))
    assert is_accepted
    assert send("d-1", "a1") == 202, "the same delivery again gets the same answer"
    assert send("d-2", "b2", branch="topic") == 202
    assert send("d-3", "evil", key="guessed") == 401
    assert send("d-4", "broken") == 202

    def builds() -> list[str]:
        return sorted(run["state"] for run in user.ask("mainspring runs list --name build"))

    assert any(builds() == ["failed", "succeeded"] for _ in polls(TIMEOUT_S)), builds()
    assert any("build" in user.type("mainspring status; true").split("\n", 1)[0:2][-1] for _ in polls(TIMEOUT_S))
    assert user.type("mainspring status", code=9)


def test_ingest_with_one_bad_file_reports_that_file(user: NewUser) -> None:
    """files.md: three files, the second one unreadable; the file after it succeeds, and it stays reported."""
    user.type("mainspring init .")
    (user.folder / "automations" / "ingest.py").write_text(
        "import csv\n\nimport mainspring as ms\n\n\n"
        '@ms.on.files("inbox", pattern="*.csv", settle="1s", after_success="done", after_failure="failed")\n'
        "@ms.task\n"
        "def book(file: ms.File) -> int:\n"
        '    with open(file, encoding="utf-8", newline="") as opened:\n'
        "        return sum(1 for _ in csv.DictReader(opened))\n",
        encoding="utf-8",
    )
    inbox = user.folder / "automations" / "inbox"  # "counts from the folder of the file that names it"
    inbox.mkdir()
    (inbox / "1.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (inbox / "2.csv").write_bytes(b"a,b\n\xff\xfe,2\n")
    user.begin("mainspring up")

    def states() -> list[str]:
        return sorted(run["state"] for run in user.ask("mainspring runs list --name book"))

    assert any(states() == ["failed", "succeeded"] for _ in polls(TIMEOUT_S)), states()
    (inbox / "3.csv").write_text("a,b\n3,4\n", encoding="utf-8")
    assert any(states() == ["failed", "succeeded", "succeeded"] for _ in polls(TIMEOUT_S)), states()
    assert (inbox / "failed" / "2.csv").exists()
    (failed,) = user.ask("mainspring failed list")
    assert "2.csv" in user.type(f"mainspring runs show {failed['id'][-6:]}")
    status = user.type("mainspring status", code=9)
    assert "1 failed run still needs a decision" in status
    opened = any(user.ask("mainspring incidents list") for _ in polls(TIMEOUT_S))
    assert opened, "a failed file was reported to no one"
    (incident,) = user.ask("mainspring incidents list")
    assert "2.csv" in user.type(f"mainspring incidents show {incident['id'][-6:]}")
    # "To try a failed file again": corrected, it is the same item, and its success settles the failure.
    (inbox / "2.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    resolved = any(user.ask("mainspring incidents list") == [] for _ in polls(TIMEOUT_S))
    assert resolved, user.type("mainspring status; true")
    user.type("mainspring status")
