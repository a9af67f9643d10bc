"""What a wrong setting is reported: which key, where it stands, what was meant."""

from pathlib import Path

import pytest

from mainspring.config import load
from mainspring.config.known_keys import list_known_values
from mainspring.config.setting_layers import variable_name
from mainspring.domain.errors import ConfigError


@pytest.fixture
def refuse(tmp_path):
    """Return the message for a file's bytes, variables and flags that are refused."""

    def refuse(text: str | bytes = "", env=None, flags=None) -> str:
        file = tmp_path / "mainspring.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigError) as caught:
            load(env={"HOME": "/home/u", **(env or {})}, cwd=tmp_path, uid=1234, flags=flags or {})
        return str(caught.value).replace(str(file), "FILE")

    return refuse


@pytest.mark.parametrize(
    ("text", "key", "line", "near"),
    [
        ('[store]\nulr = "x"', "store.ulr", 2, "store.url"),
        ('[stroe]\nurl = "x"', "stroe", 1, "store"),
        ('[store]\nretention = { suceeded = "1d" }', "store.retention.suceeded", 2, "store.retention.succeeded"),
        (
            "[worker]\nqueues = { mail = { concurency = 1 } }",
            "worker.queues.mail.concurency",
            2,
            "worker.queues.mail.concurrency",
        ),
        ('[defaults]\noverlapp = "skip"', "defaults.overlapp", 2, "defaults.overlap"),
        (
            "[environments.blue.worker]\nthread = 1",
            "environments.blue.worker.thread",
            2,
            "environments.blue.worker.threads",
        ),
        ("threads = 1", "threads", 1, "worker.threads"),
    ],
)
def test_unknown_key_of_a_file_names_line_and_nearest_key(refuse, text, key, line, near):
    """A typing error is found at once, with its place."""
    assert refuse(text) == f"unknown setting `{key}`\nset by FILE:{line}\nDid you mean {near}?"


def test_nearest_key_is_searched_in_the_same_table(refuse):
    """What is alike in another table is no slip of this one; what is known in this one is reported instead."""
    assert refuse("[exec]\nretention = 1").endswith("Known there: fail_open, spool.")


def test_script_in_the_configuration_is_pointed_to_its_file(refuse):
    """It is the natural place to look for; the docs show scripts without the name of their file."""
    for table in ("script", "scripts"):
        assert '[project] automations = ["scripts.toml"]' in refuse(f'[{table}.report]\ncmd = "./report.sh"')


def test_unknown_key_that_is_like_none_lists_the_sections(refuse):
    """Where nothing is near, the reader gets a place to start."""
    assert refuse("[xyzzy]\nq = 1").endswith(
        "Sections: project, store, worker, up, web, hooks, actions, secrets, flags, logs, databases, brokers, locks, calendars, notify,"
        " otel, defaults, exec, monitors."
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MAINSPRING_STORE_ULR", "MAINSPRING_STORE_URL"),
        ("MAINSPRING_STROE_URL", "MAINSPRING_STORE_URL"),
        ("MAINSPRING_STORE_RETENTION_FAILED", "MAINSPRING_STORE_RETENTION__FAILED"),
        ("MAINSPRING_WORKER_QUEUES__MAIL__RAET", "MAINSPRING_WORKER_QUEUES__MAIL__RATE"),
    ],
)
def test_unknown_variable_names_the_nearest_variable(refuse, name, near):
    """A variable is answered with a variable."""
    assert refuse(env={name: "1"}) == f"unknown setting `{name}`\nset by env {name}\nDid you mean {near}?"


def test_unknown_flag_is_refused(refuse):
    """Even a caller of ours cannot set what does not exist."""
    assert refuse(flags={"store.ulr": "x"}) == "unknown setting `store.ulr`\nset by flag\nDid you mean store.url?"


@pytest.mark.parametrize("path", sorted(path for path in list_known_values() if "*" not in path), ids=".".join)
def test_variable_of_each_key_reaches_that_key(tmp_path, path):
    """The rule for names has no exception: each key's variable sets that key, or is refused with that key."""
    name = variable_name(path)
    (tmp_path / "mainspring.toml").touch()
    outcome = ""
    try:
        outcome = load(env={"HOME": "/home/u", name: "5"}, cwd=tmp_path, uid=1234).sources[".".join(path)]
    except ConfigError as error:
        outcome = error.message
    assert outcome == f"env {name}" or (
        outcome.startswith(f"`{'.'.join(path)}`: ") and outcome.endswith(f"\nset by env {name}")
    )


@pytest.mark.parametrize(
    ("section", "key", "value", "reason"),
    [
        ("worker", "threads", '"many"', "expected int, got str"),
        ("worker", "threads", "0", "expected int >= 1"),
        ("worker", "threads", "true", "expected int, got bool"),
        ("worker", "drain", '"soon"', "'soon' is not a span of time"),
        ("worker", "drain", '"-5s"', "is not a span of time"),
        ("worker", "stall_limit", '"0s"', "above zero"),
        ("worker", "lease", '"1s"', "from 2s to 10m"),
        ("worker", "lease", '"1h"', "from 2s to 10m"),
        ("worker", "park_bytes", '"lots"', "'lots' is not a size"),
        ("worker", "queues", "3", "expected a table, got 3"),
        ("worker.queues", "mail", '{ rate = "fast" }', "'fast' is not a rate"),
        ("worker.queues", "mail", '"x"', "expected int, got str"),
        ("store", "retention", '"30d"', "expected a table, got '30d'"),
        ("store", "url", "5", "expected text, got 5"),
        ("store", "backup", "{ to = 5 }", "expected text, got 5"),
        ("exec", "fail_open", '"yes"', "expected bool, got str"),
        ("project", "automations", '"a.py"', "expected a list, got 'a.py'"),
        ("project", "automations", "[1]", "expected text, got 1"),
        ("project", "environment", '"../x"', "expected str matching regex"),
        ("project", "timezone", '"Europe/Berlinn"', "Europe/Berlinn"),
        ("defaults", "overlap", '"skp"', "'skp' is none of the choices"),
        ("defaults", "timeout", '"0s"', "the duration must be greater than zero"),
    ],
)
def test_wrong_value_of_a_file_names_key_line_and_reason(refuse, section, key, value, reason):
    """What is wrong, then where."""
    message = refuse(f"# comment\n[{section}]\n{key} = {value}\n")
    assert message.startswith(f"`{section}.{key}")
    assert reason in message.splitlines()[0]
    assert message.splitlines()[1] == "set by FILE:3"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[secrets]\ndue = "2027-01-31"', "Write secrets.due.NAME = ..."),
        ("[monitors.of]\nsync = true", "Known in it: backlog, cadence_drift, "),
    ],
)
def test_value_in_place_of_a_table_is_reported_with_its_keys(refuse, text, hint):
    """Not only that it is wrong."""
    assert hint in refuse(text)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("MAINSPRING_WORKER_THREADS", "many", "expected a whole number, got 'many'"),
        ("MAINSPRING_EXEC_FAIL_OPEN", "perhaps", "expected true or false"),
        ("MAINSPRING_WORKER_DRAIN", "x", "is not a span"),
        ("MAINSPRING_PROJECT_AUTOMATIONS", "[oops", "not a list or table"),
        ("MAINSPRING_WORKER_QUEUES", "{oops", "not a list or table"),
        ("MAINSPRING_STORE", "x", "expected a table"),
    ],
)
def test_wrong_value_of_a_variable_names_the_variable(refuse, name, text, reason):
    """The reader sees which variable to fix."""
    message = refuse(env={name: text})
    assert reason in message
    assert f"set by env {name}" in message


@pytest.mark.parametrize("key", ["token", "db_password", "SECRET_THING", "api_key"])
def test_literal_secret_is_refused_and_not_repeated(refuse, key):
    """Secrets are references only; the message must not carry what it complains of."""
    for message in (
        refuse(f'[project]\n{key} = "hunter2"'),
        refuse(env={f"MAINSPRING_PROJECT_{key.upper()}": "hunter2"}),
        refuse(flags={f"project.{key}": "hunter2"}),
    ):
        assert "must not contain a secret" in message
        assert "secret:NAME" in message
        assert "hunter2" not in message


def test_reference_to_a_secret_is_no_literal(refuse):
    """A reference is judged like any other key."""
    assert refuse('[project]\ntoken = "secret:web"').startswith("unknown setting `project.token`")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[store\nurl = 1", "not valid TOML"),
        (b'[store]\nurl = "a"\nbackup = ?', "(at line 3, column"),
        (b'[project]\nname = "\xff"', "not UTF-8"),
        (b"environments = 3", "must have a table for each environment"),
        (b"[environments]\nblue = 3", "must have a table for each environment"),
        (b'[environments.blue.project]\nenvironment = "red"', "cannot choose another environment"),
    ],
)
def test_file_that_cannot_be_used_is_reported_with_its_name(refuse, content, reason):
    """Whatever is in the file, the answer names it."""
    message = refuse(content)
    assert reason in message
    assert "FILE" in message


def test_file_may_start_with_a_byte_order_mark(tmp_path):
    """Some editors write one."""
    (tmp_path / "mainspring.toml").write_bytes(b'\xef\xbb\xbf[project]\nname = "x"')
    assert load(env={"HOME": "/h"}, cwd=tmp_path, uid=1).project.name == "x"


def test_unreadable_file_is_reported(monkeypatch, refuse):
    """A file that was found but cannot be read is not passed over."""

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    assert refuse() == "the configuration file cannot be read: Permission denied\nFILE"


@pytest.mark.parametrize(
    ("message", "read"),
    [("https://hooks.example.com/", "https://hooks.example.com"), ("http://[::1]:7172/in", "http://[::1]:7172/in")],
)
def test_public_address_of_webhooks_has_no_slash_at_its_end(tmp_path, message, read):
    """Paths begin with one."""
    (tmp_path / "mainspring.toml").write_text(f'[hooks]\npublic_url = "{message}"')
    assert load(env={"HOME": "/home/u"}, cwd=tmp_path, uid=1234).hooks.public_url == read


@pytest.mark.parametrize(
    "message", ["hooks.example.com", "ftp://h", "https://u:p@h", "https://h?x=1", "https://h/../x y", "https://"]
)
def test_address_that_senders_could_not_call_is_refused(refuse, message):
    """Neither is one that holds a password."""
    assert "not an address that senders could call" in refuse(f'[hooks]\npublic_url = "{message}"')
