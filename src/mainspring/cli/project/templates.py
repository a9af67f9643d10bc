"""Templates of the files that `init` and `add` write. Each template is a project that runs as it is."""

from typing import Final

_CONFIG: Final = """\
# Every key: mainspring docs show config. What is in force, and from where: mainspring doctor --config
[project]
name = {name}
automations = {automations}
# Away from production nothing is sent to people. On the real machine: "production", or MAINSPRING_PROJECT_ENVIRONMENT.
environment = "development"

[store]
url = "sqlite:///.mainspring/state.db"

# The channel that is notified of problems in production; without it, the terminal. Its secret: `mainspring secrets set
# SLACK_BOT` (once before: `pip install '.[age]'`, `mainspring secrets init`), or the variable MAINSPRING_SECRET_SLACK_BOT.
# [notify.channels]
# ops = "slack://secret:SLACK_BOT/#ops"
"""

_IGNORE: Final = """\
.mainspring/
__pycache__/
.pytest_cache/
"""

_SCRIPTS: Final = """\
# Scripts that are run and watched. Add one: mainspring add script NAME --every 1h -- ./command.sh
# One that starts by what arrives, and reads it as JSON on its standard input, has a table below its own:
#   [script.NAME.files]      or .webhook, .queue, .event, .run, .runs: mainspring docs show triggers
#   folder = "inbox"
"""

_HELLO_SCRIPT: Final = """
[script.hello]
cmd = ["sh", "hello.sh"]
every = "1m"
timeout = "30s"
owner = "you"
runbook = "RUNBOOK.md"
"""

_HELLO_SH: Final = """\
#!/bin/sh
# Exit code 0 is success, 75 is "try again later", anything else is a failure.
echo "hello from $0"
"""

_RUNBOOK: Final = """\
# When something fails

    mainspring explain RUN      # what happened, why, and what can be done about it

Write down here what a person needs who is woken for it: whom to ask, what may be repeated, what must not wait.
"""

_CONFTEST: Final = '''\
"""Makes the folder `automations` importable for the tests, and gives them a store of their own."""

import os

import pytest

import mainspring as ms


@pytest.fixture(scope="session", autouse=True)
def scratch_store(tmp_path_factory):
    """Keep effects, locks and runs of the tests out of the project's store."""
    store = str(tmp_path_factory.mktemp("mainspring") / "state.db")
    os.environ |= {"MAINSPRING_STORE_URL": store, "MAINSPRING_PROJECT_ENVIRONMENT": "test"}
    ms.App(store).open_store(creates_store=True)
'''

_WORKFLOW: Final = '''\
"""An order in four steps. Each is saved once: kill the worker anywhere, and the run continues after the last saved step."""

import time

import mainspring as ms


def reserve(order: int) -> str:
    """Put the goods aside."""
    time.sleep(0.5)
    return f"shelf-{order % 10}"


def charge(order: int) -> str:
    """Take the money; a real one passes `ms.idempotency_key()` to the payment service."""
    time.sleep(1)
    return f"charge-{order}"


def send_receipt(order: int, payment: str) -> str:
    """Write to the customer."""
    time.sleep(1)
    return f"receipt for {payment}"


def close(order: int) -> str:
    """Put the order away."""
    time.sleep(0.5)
    return f"order {order} is done"


@ms.workflow(name="order-demo", title="Order {order}", owner="you", runbook="RUNBOOK.md", deadline="1d")
async def order_demo(run: ms.Run, order: int = 42) -> str:
    """Reserve, charge, send the receipt, close."""
    await run.step(reserve, order)
    payment = await run.options(key=f"charge:{order}").step(charge, order)
    await run.step(send_receipt, order, payment)
    return await run.step(close, order)
'''

_WORKFLOW_TEST: Final = '''\
"""Steps are plain functions. A workflow runs in a lab: in memory, on a clock that only the test moves."""

from automations.hello import charge, close, order_demo, reserve, send_receipt


def test_order_survives_a_payment_that_fails_once(lab):
    """The second attempt waits on the clock of the lab: nothing sleeps, and no money moves."""
    for step in (reserve, send_receipt):
        lab.fake(step, returns="done")
    lab.fake(close, returns="closed")
    payment = lab.fake(charge, raises=[TimeoutError, None], returns="charge-42")
    run = lab.start(order_demo, 42)
    assert run.result() == "closed"
    assert len(payment.calls) == 2


def test_charge_names_the_order():
    """The charge can be found again by its order."""
    assert charge(42) == "charge-42"


def test_receipt_names_the_payment():
    """The customer sees which payment it was."""
    assert send_receipt(42, "charge-42") == "receipt for charge-42"
'''

_BOT: Final = '''\
"""A bot: looks every minute whether there is something to do, and does it once."""

from pathlib import Path

import mainspring as ms

INBOX, DONE = Path("inbox"), Path("done")


@ms.task(name="answer-mail", every="1m", timeout="30s", owner="you", runbook="RUNBOOK.md")
def answer_mail() -> int:
    """Move each letter from inbox/ to done/ with an answer below it; safe to run twice, for a letter that is moved is not found again."""
    INBOX.mkdir(exist_ok=True)
    DONE.mkdir(exist_ok=True)
    letters = sorted(INBOX.glob("*.txt"))
    for place, letter in enumerate(letters, 1):
        target = DONE / letter.name
        part = target.with_suffix(".part")
        part.write_text(answer(letter.read_text()))
        part.replace(target)
        letter.unlink()
        ms.progress(place, len(letters))
    return len(letters)


def answer(letter: str) -> str:
    """Return what is sent back."""
    return f"{letter}\\n--\\nThank you, we have read it.\\n"
'''

_BOT_TEST: Final = '''\
"""The bot's own thinking is a plain function. Its schedule runs in a lab, on a clock that only the test moves."""

from automations.hello import INBOX, answer, answer_mail


def test_bot_runs_each_minute(lab, tmp_path, monkeypatch):
    """An hour passes in no time, and the letter has its answer."""
    monkeypatch.chdir(tmp_path)
    INBOX.mkdir()
    (INBOX / "a.txt").write_text("Hello")
    lab.advance("1h")
    runs = lab.runs(answer_mail.name, state="succeeded")
    assert len(runs) == 60
    assert (tmp_path / "done/a.txt").read_text().startswith("Hello")
    assert lab.incidents() == []


def test_answer_quotes_the_letter():
    """Return the message to its sender."""
    assert answer("Hello").startswith("Hello")
'''

_SCRIPT_TEST: Final = '''\
"""The script ends well."""

import subprocess


def test_hello_ends_well():
    """Exit code 0 and a greeting."""
    done = subprocess.run(["sh", "hello.sh"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("hello")
'''

NEW_SCRIPT: Final = """\
#!/bin/sh
# Exit code 0 is success, 75 is "try again later", anything else is a failure.
set -eu
echo "put your commands into $0"
"""

NEW_WORKFLOW: Final = '''\
"""{title}: what it is for, in one sentence."""

import mainspring as ms


def first_step(name: str) -> str:
    """Do one thing; what it returns is saved."""
    return f"hello {{name}}"


@ms.workflow(name={name}, owner="you", runbook="RUNBOOK.md", deadline="1d")
async def {function}(run: ms.Run, name: str = "world") -> str:
    """Put steps in order with `await run.step(function, arguments)`."""
    return await run.step(first_step, name)
'''


PRESERVED_FILES: Final = frozenset({".gitignore", "conftest.py", "RUNBOOK.md"})
"""Files that a folder may already have: the existing ones are kept."""


def project_files(template: str, name: str) -> dict[str, str]:
    """Return the files of a new project: path below its folder -> text; `name` is TOML text."""
    # A pattern without a match is a problem, so it is written only with a file that matches.
    automations = '["scripts.toml"]' if template == "script" else '["automations/*.py", "scripts.toml"]'
    config = _CONFIG.format(name=name, automations=automations)
    common = {"mainspring.toml": config, ".gitignore": _IGNORE, "conftest.py": _CONFTEST, "RUNBOOK.md": _RUNBOOK}
    if template == "script":
        template_files = {
            "scripts.toml": _SCRIPTS + _HELLO_SCRIPT,
            "hello.sh": _HELLO_SH,
            "tests/test_hello.py": _SCRIPT_TEST,
        }
    elif template == "bot":
        template_files = {"automations/hello.py": _BOT, "scripts.toml": _SCRIPTS, "tests/test_hello.py": _BOT_TEST}
    else:
        template_files = {
            "automations/hello.py": _WORKFLOW,
            "scripts.toml": _SCRIPTS,
            "tests/test_hello.py": _WORKFLOW_TEST,
        }
    return common | template_files
