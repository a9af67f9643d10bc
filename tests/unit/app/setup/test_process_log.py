"""What a process writes of itself: one JSON object a line for collectors, text for people, no secrets for either."""

import logging

import msgspec
import pytest

from mainspring.app.setup.process_log import configure_log
from mainspring.config.settings import LogsSettings
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext
from mainspring.resources.known_secrets import KNOWN_SECRETS


@pytest.fixture
def log(capsys):
    """Reads what was written since; the root logger is given back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_line_names_its_process(log):
    """A record of a step carries its run, step and attempt, a control character harms no one."""
    configure_log(environment="staging")
    token = CURRENT_STEP.set(StepContext(None, run_id="r_1", name="fetch", key="k", attempt=2, automation="shop"))
    try:
        logging.getLogger("users").warning("odd \x1b[31m\nline", extra={"fields": {"rows": 3}})
    finally:
        CURRENT_STEP.reset(token)
    (text,) = log().splitlines()
    line = msgspec.json.decode(text)
    assert (line["run"], line["workflow"], line["step"], line["attempt"]) == ("r_1", "shop", "fetch", 2)
    assert (line["level"], line["logger"], line["environment"], line["fields"]) == (
        "warning",
        "users",
        "staging",
        {"rows": 3},
    )
    assert line["text"] == "odd \\x1b[31m\nline"
    assert line["time"].endswith("Z")


def test_text_is_for_people(log):
    """On a terminal, or by the setting, a line is text with whose it is at its end."""
    configure_log(LogsSettings(format="text"))
    logging.getLogger("mainspring.step").info(
        "hello", extra={"run": "r_1", "workflow": "shop", "step": "fetch", "attempt": 2}
    )
    assert log().endswith("INFO mainspring.step: hello  [shop r_1 fetch, attempt 2]\n")


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_is_written(log, monkeypatch, form):
    """Neither in a message, nor in a field, nor in a traceback; nor what looks like one."""
    monkeypatch.setenv("MAINSPRING_SECRET_KEY", "correct-horse")
    configure_log(LogsSettings(format=form))
    try:
        raise ValueError("got correct-horse")
    except ValueError:
        logging.getLogger("users").exception(
            "with %s and password=hunter2", "correct-horse", extra={"fields": {"a": "correct-horse"}}
        )
    written = log()
    assert "correct-horse" not in written
    assert "hunter2" not in written
    assert "Traceback" in written


def test_level_leaves_lines_out(log):
    """What is below the level is not written; -v writes all."""
    configure_log(LogsSettings(level="warning"))
    logging.getLogger("users").info("unheard")
    assert log() == ""
    configure_log(verbose=True)
    logging.getLogger("users").debug("heard")
    assert "heard" in log()


def test_foreign_fields_of_a_record_are_not_trusted(log):
    """A record of anyone's that looks like one of ours is written as any other: redacted, and whole."""
    KNOWN_SECRETS.add(["hush-hush-hush"])
    configure_log()
    values = {"run": "hush-hush-hush", "code": "hush-hush-hush", "state": object(), "is_clean": True}
    logging.getLogger("users").warning("password is hush-hush-hush", extra=values)
    line = msgspec.json.decode(log())
    assert "hush-hush-hush" not in str(line)
    assert line["text"] == "password is ***"
