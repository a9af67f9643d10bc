"""Which layer wins, what environments change, and what each value says about its source."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from mainspring.config import QueueSettings, misspelt_variables
from mainspring.config.locations import hash_store_url
from mainspring.domain.definitions.options import DefinitionKind, parse_options
from mainspring.domain.time.rate import Rate

URL = "store.url"


@pytest.mark.parametrize("flag", [None, "5s"])
@pytest.mark.parametrize("variable", [None, "6s"])
@pytest.mark.parametrize("named", [None, "7s"])
@pytest.mark.parametrize("base", [None, "8s"])
def test_load_lets_the_nearer_layer_win(tmp_path, read, flag, variable, named, base):
    """Flag over variable over the environment's table over the file over the default, and the source tells which."""
    text = (f'[worker]\ndrain = "{base}"\n' if base else "") + (
        f'[environments.blue.worker]\ndrain = "{named}"\n' if named else ""
    )
    env = {"MAINSPRING_PROJECT_ENVIRONMENT": "blue"} | ({"MAINSPRING_WORKER_DRAIN": variable} if variable else {})
    settings = read(text, env, {"worker.drain": flag})
    file = tmp_path / "mainspring.toml"
    line = text.splitlines().index(f'drain = "{named or base}"') + 1 if named or base else 0
    steps = [
        (flag, "flag"),
        (variable, "env MAINSPRING_WORKER_DRAIN"),
        (named, f"{file}:{line}"),
        (base, f"{file}:{line}"),
        ("25s", "default"),
    ]
    value, source = next(step for step in steps if step[0])
    assert settings.worker.drain == timedelta(seconds=int(value[:-1]))
    assert ("worker.drain", value, source) in settings.describe()


def test_load_merges_tables_key_by_key(read):
    """A layer that sets one key of a table leaves the others as they were."""
    settings = read(
        '[store.retention]\nsucceeded = "1d"\nfailed = "2d"\n'
        '[worker.queues]\ndefault = 8\nmail = { concurrency = 2, rate = "60/m" }\nbulk = {}',
        {
            "MAINSPRING_STORE_RETENTION__FAILED": "3d",
            "MAINSPRING_WORKER_QUEUES__MAIL": "4",
            "MAINSPRING_WORKER_QUEUES__NEW__MAX_BACKLOG": "9",
        },
    )
    assert (settings.store.retention.succeeded, settings.store.retention.failed) == (timedelta(1), timedelta(3))
    assert settings.worker.queues == {
        "default": QueueSettings(concurrency=8),
        "mail": QueueSettings(concurrency=4, rate=Rate(60, timedelta(minutes=1))),
        "bulk": QueueSettings(),
        "new": QueueSettings(max_backlog=9),
    }


def test_load_without_queues_serves_the_default_one(read):
    """A worker without a named queue takes from `default`."""
    assert read("[worker]\nqueues = {}").worker.queues == {"default": QueueSettings()}


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("MAINSPRING_EXEC_FAIL_OPEN", "no", "exec.fail_open", False),
        ("MAINSPRING_EXEC_FAIL_OPEN", "TRUE", "exec.fail_open", True),
        ("MAINSPRING_WORKER_CONCURRENCY", "12", "worker.concurrency", 12),
        ("MAINSPRING_WORKER_PARK_BYTES", "1MiB", "worker.park_bytes", "1MiB"),
        ("MAINSPRING_WORKER_STALLED_AFTER", "90m", "worker.stalled_after", "1h30m"),
        ("MAINSPRING_PROJECT_AUTOMATIONS", "a.b, c.d", "project.automations", ["a.b", "c.d"]),
        ("MAINSPRING_PROJECT_AUTOMATIONS", '["a.b", "c.d"]', "project.automations", ["a.b", "c.d"]),
        ("MAINSPRING_STORE_BACKUP", "{ keep = 3 }", "store.backup.keep", 3),
        ("MAINSPRING_WORKER_QUEUES", "{ mail = 3 }", "worker.queues.mail.concurrency", 3),
        ("MAINSPRING_DEFAULTS_PRIORITY", "5", "defaults.priority", 5),
        ("MAINSPRING_DEFAULTS_TIMEOUT", "20m", "defaults.timeout", "20m"),
        ("MAINSPRING_DEFAULTS_FAIL_RATE", "0.2", "defaults.fail_rate", 0.2),
        ("MAINSPRING_DEFAULTS_SLOW", "off", "defaults.slow", False),
        ("MAINSPRING_DEFAULTS_TZ", "Europe/Berlin", "defaults.tz", "Europe/Berlin"),
    ],
)
def test_load_reads_the_text_of_variables_and_flags(read, name, text, path, value):
    """Numbers, switches, lists and tables are read from text, by variable and flag alike."""
    assert (path, value, f"env {name}") in read(env={name: text}).describe()
    top = ".".join(path.split(".")[:2])
    assert (path, value, "flag") in read(flags={top: text}).describe()


def test_load_passes_over_what_is_no_setting(read):
    """Secrets, the file's name, test hooks, empty variables and unset flags change nothing."""
    env = {
        "MAINSPRING_SECRET_SLACK": "xoxb-1",
        "MAINSPRING_FAILPOINT": "commit:3",
        "MAINSPRING_CONFIG": "",
        "MAINSPRING_STORE_URL": "",
        "OTHER": "x",
    }
    assert read(env=env, flags={URL: None}) == read()


def test_environment_other_than_production_has_its_own_places(tmp_path, read):
    """What a file names for all is production's; another environment never writes there."""
    text = '[store]\nurl = "sqlite:///var/app.db"\nbackup = { to = "backups" }\n[exec]\nspool = "spool"\n'
    live, blue = read(text), read(text, flags={"project.environment": "blue"})
    assert live.store.path == tmp_path / "var/app.db"
    assert (blue.store.path, blue.store.backup.to, blue.exec.spool) == (
        tmp_path / "var/app-blue.db",
        tmp_path / "backups-blue",
        tmp_path / "spool-blue" / hash_store_url(blue.store.url, {}),
    )
    assert blue.sources[URL] == f"{tmp_path}/mainspring.toml:2 (named for blue)"


@pytest.mark.parametrize("way", ["flag", "variable", "table"])
def test_environment_uses_the_store_that_is_named_for_it(read, way):
    """A store named by flag, variable or the environment's own table is taken as it is."""
    table = '[environments.blue.store]\nurl = "/x/own.db"\n' if way == "table" else ""
    env = {"MAINSPRING_STORE_URL": "/x/own.db"} if way == "variable" else {}
    flags = {URL: "/x/own.db"} if way == "flag" else {}
    settings = read(f'[project]\nenvironment = "blue"\n[store]\nurl = "/x/all.db"\n{table}', env, flags)
    assert settings.store.path == Path("/x/own.db")
    assert settings.exec.spool == Path("/x/own.db.spool")


def test_environment_without_a_named_store_has_its_own_default(read):
    """development and production never share the default file either."""
    assert read(flags={"project.environment": "development"}).store.path.name == "state-development.db"
    assert read().project.environment == "production"


def test_environment_table_applies_to_its_environment_only(read):
    """The table of another environment is checked, and changes nothing."""
    text = "[worker]\nthreads = 1\n[environments.blue.worker]\nthreads = 2\n"
    assert read(text).worker.threads == 1
    assert read(text, {"MAINSPRING_PROJECT_ENVIRONMENT": "blue"}).worker.threads == 2


def test_default_options_are_what_definitions_share(read):
    """Canonical options, with the project's time zone unless [defaults] names one."""
    settings = read(
        '[project]\ntimezone = "Europe/Berlin"\n[defaults]\noverlap = "queue"\ntimeout = 90\nretry = { attempts = 7 }\n'
    )
    options = dict(settings.default_options)
    assert options.pop("retry")["attempts"] == 7
    assert options == {"tz": "Europe/Berlin", "overlap": "queue", "timeout": "1m30s"}
    assert parse_options(DefinitionKind.TASK, settings.default_options, "test") == settings.default_options
    assert read('[defaults]\ntz = "Asia/Tokyo"').default_options == {"tz": "Asia/Tokyo"}


def test_describe_lists_every_setting_once(read):
    """Nothing is left out, and what no one set says so."""
    described = read().describe()
    paths = [path for path, _, _ in described]
    assert len(paths) == len(set(paths))
    assert {"project.name", "store.retention.succeeded", "worker.queues.default.rate", "exec.spool"} <= set(paths)
    assert {source for _, _, source in described} == {"default"}
    msgspec.json.encode(described)


def test_settings_are_frozen(read):
    """What was read once is changed by no one."""
    with pytest.raises(AttributeError):
        read().worker.threads = 2


def test_variable_that_resembles_ours_is_reported():
    """With the name that was meant; what is ours, or has nothing of ours in its name, is not."""
    strange = {"MAINSPIRNG_STORE_URL": "x", "mainspring_store_url": "x", "MAINSPRINGS_WEB_BNID": "x"}
    usual = {"MAINSPRING_STORE_URL": "x", "MAIN_STORE_URL": "x", "PATH": "x"}
    assert misspelt_variables({**strange, **usual}) == [
        ("MAINSPIRNG_STORE_URL", "MAINSPRING_STORE_URL"),
        ("MAINSPRINGS_WEB_BNID", "MAINSPRING_WEB_BIND"),
        ("mainspring_store_url", "MAINSPRING_STORE_URL"),
    ]
