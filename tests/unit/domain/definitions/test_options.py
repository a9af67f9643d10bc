"""The table of options: canonical values from Python and TOML alike, and refusals that help."""

import tomllib
from datetime import datetime, time, timedelta

import msgspec
import pytest

from mainspring.domain.definitions.options import OPTIONS, DefinitionKind, OptionGroup, list_options, parse_options
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.values import option_readers

# option: (what Python gives, what TOML gives, the canonical value)
SAMPLES = {
    "name": ("backup", '"backup"', "backup"),
    "title": ("of {slot:%F}", '"of {slot:%F}"', "of {slot:%F}"),
    "owner": ("ann@example.org", '"ann@example.org"', "ann@example.org"),
    "team": ("data", '"data"', "data"),
    "tags": ({"b": "2", "a": ""}, '["a", "b=2"]', {"a": "", "b": "2"}),
    "tier": ("page", '"page"', "page"),
    "runbook": ("docs/backup.md", '"docs/backup.md"', "docs/backup.md"),
    "was": ("old", '["old"]', ["old"]),
    "gone": ("charge", '["charge"]', ["charge"]),
    "cron": ("0 3 * * *", '["0 3 * * *"]', ["0 3 * * *"]),
    "every": (timedelta(minutes=15), '"15m"', "15m"),
    "at": ("3:00", "03:00:00", ["03:00"]),
    "tz": ("Europe/Berlin", '"Europe/Berlin"', "Europe/Berlin"),
    "calendar": ("de-BY", '"de-BY"', "de-BY"),
    "jitter": (30, '"30s"', "30s"),
    "misfire": ("all", '"all"', "all"),
    "overlap": ("queue", '"queue"', "queue"),
    "queue": ("slow", '"slow"', "slow"),
    "priority": (5, "5", 5),
    "partition": ("{account}", '"{account}"', "{account}"),
    "concurrency": (3, "3", 3),
    "per": ("{customer}", '"{customer}"', "{customer}"),
    "cancel_in_progress": (True, "true", True),
    "rate": ("10/1m", '"10/m"', "10/m"),
    "throttle": ("10/1m", '"10/m"', "10/m"),
    "debounce": (10, '"10s"', "10s"),
    "debounce_within": (300, '"5m"', "5m"),
    "version": (2, "2", 2),
    "rollout": (True, "true", True),
    "rollout_by": ("{customer}", "'{customer}'", "{customer}"),
    "tag": ("gpu", '"gpu"', "gpu"),
    "timeout": (1200, '"20m"', "20m"),
    "heartbeat": (timedelta(seconds=30), '"30s"', "30s"),
    "overlap_attempts": (True, "true", True),
    "deadline": (timedelta(days=30), '"30d"', "30d"),
    "retry": (Retry(attempts=3), "{attempts = 3}", Retry(attempts=3).to_data()),
    "key": ("ship:{order.id}", '"ship:{order.id}"', "ship:{order.id}"),
    "delivery": ("at_most_once", '"at_most_once"', "at_most_once"),
    "isolate": ("process", '"process"', "process"),
    "on_failure": ("undo", '"undo"', "undo"),
    "on_cancel": ("undo", '"undo"', "undo"),
    "cleanup": (timedelta(minutes=1), '"1m"', "1m"),
    "on_deadline": ("keep", '"keep"', "keep"),
    "on_blocked": ("pass", '"pass"', "pass"),
    "undo": (timedelta.total_seconds, '"datetime:timedelta.total_seconds"', "datetime:timedelta.total_seconds"),
    "produces": ("/b/{slot:%F}.gz", '["/b/{slot:%F}.gz"]', ["/b/{slot:%F}.gz"]),
    "expect": ({"enum": [0, 3]}, "{enum = [0, 3]}", {"enum": [0, 3]}),
    "silence": (False, '"off"', False),
    "grace": ("90s", '"1m30s"', "1m30s"),
    "slow": ("1h", "3600", "1h"),
    "fail_rate": (0.2, '"20%"', 0.2),
    "backlog": (100, "100", 100),
    "healthy": ("item", '"item"', "item"),
    "item": ("{order}", '"{order}"', "{order}"),
    "secrets": (("A", "b.c", "A"), '["A", "b.c"]', ["A", "b.c"]),
    "stalled": ("6h", '"6h"', "6h"),
}


NONSENSE = [object(), "", [], -1, True, float("nan"), "\0", [[]], {"a": object()}, 10**400]


def a_function() -> None:
    """Stand for an undo."""


def kind_of(name: str) -> DefinitionKind:
    if name in ("gone", "cleanup"):
        return DefinitionKind.WORKFLOW
    return DefinitionKind.STEP if DefinitionKind.TASK not in OPTIONS[name].kinds else DefinitionKind.TASK


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_option_is_the_same_from_python_and_toml(name):
    """Both ways of writing give one canonical value, which is JSON and reads as itself."""
    python, toml, canonical = SAMPLES[name]
    if name == "undo":
        python, canonical = a_function, f"{__name__}:a_function"
        toml = f'"{canonical}"'
    for written in (python, tomllib.loads(f"value = {toml}")["value"]):
        parsed = parse_options(kind_of(name), {name: written}, "test")
        assert parsed == {name: canonical}
        assert msgspec.json.decode(msgspec.json.encode(parsed)) == parsed
        assert parse_options(kind_of(name), parsed, "test") == parsed


@pytest.mark.parametrize("name", sorted(OPTIONS))
@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(value)[:10].split(" ")[0])
def test_option_refuses_nonsense_with_name_place_and_hint(name, value):
    """No value leaves by another error than ours; the message says which option, where, and how to fix it."""
    refused: OptionError | None = None
    try:
        parsed = parse_options(kind_of(name), {name: value}, "task 'x' at jobs.py:3")
    except OptionError as error:
        refused = error
    else:
        assert msgspec.json.decode(msgspec.json.encode(parsed)) == parsed
    if refused is not None:
        assert refused.message.startswith(f"option {name!r}: ")
        assert "jobs.py:3" in refused.message
        assert refused.hint


def test_unknown_option_displays_the_nearest():
    """A misspelt option is an error, not silence."""
    with pytest.raises(UnknownNameError, match="timout") as refused:
        parse_options(DefinitionKind.TASK, {"timout": "20m"}, "task 'x'")
    assert refused.value.nearest == "timeout"


def test_option_of_another_kind_is_unknown():
    """A step has no schedule."""
    with pytest.raises(UnknownNameError):
        parse_options(DefinitionKind.STEP, {"cron": "0 3 * * *"}, "step 'x'")


def test_none_means_omitted():
    """None is as good as not written, so that wrappers can pass options on."""
    assert parse_options(DefinitionKind.TASK, {"timeout": None}, "task 'x'") == {}


def test_automations_take_the_same_options():
    """Script, task and workflow do not differ."""
    names = [
        [option.name for option in list_options(kind)]
        for kind in (DefinitionKind.SCRIPT, DefinitionKind.TASK, DefinitionKind.WORKFLOW)
    ]
    assert names[0] == names[1] == names[2]


def test_step_takes_what_run_options_takes():
    """The options of a step are the ones that make sense for one call."""
    expected = {"key", "timeout", "retry", "undo", "name", "delivery", "isolate", "queue", "tag", "was"}
    expected |= {"heartbeat", "overlap_attempts"}
    assert {option.name for option in list_options(DefinitionKind.STEP)} == expected


def test_every_row_of_the_table_is_whole():
    """Each option has a group, a line of help, and a default that is canonical itself."""
    assert {option.group for option in OPTIONS.values()} == set(OptionGroup)
    for option in OPTIONS.values():
        assert option.help
        assert len(option.help) < 100
        if option.default not in (None, [], {}):
            assert option.read(option.default) == option.default


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", "two\nlines"])
def test_tag_that_cannot_be_printed_is_refused(bad):
    """No store could keep each of them, and no page show it."""
    with pytest.raises(OptionError, match="cannot be printed"):
        option_readers.read_tags({"team": bad})


@pytest.mark.parametrize("policy", ["none", "last", "all", "all:1", "all:50"])
def test_misfire_may_name_how_many(policy):
    """The newest n of what was missed."""
    assert parse_options(DefinitionKind.TASK, {"misfire": policy}, "x") == {"misfire": policy}


@pytest.mark.parametrize("policy", ["all:", "all:0", "all:-1", "all:many", "last:2", "every", 5, None, True])
def test_misfire_refuses_other_words(policy):
    """None is left out; the rest learns what to write."""
    if policy is None:
        assert parse_options(DefinitionKind.TASK, {"misfire": policy}, "x") == {}
        return
    with pytest.raises(OptionError, match="none of the choices"):
        parse_options(DefinitionKind.TASK, {"misfire": policy}, "x")


def test_at_takes_times_of_day_and_moments():
    """Text, and the values that TOML has for them."""
    at = ["3:00", time(4, 30), "2026-12-24T18:00", datetime(2026, 12, 31, 12), "2026-12-24T18:00:30+01:00"]  # noqa: DTZ001
    assert parse_options(DefinitionKind.TASK, {"at": at}, "x")["at"] == [
        *("03:00", "04:30", "2026-12-24T18:00", "2026-12-31T12:00", "2026-12-24T18:00:30+01:00"),
    ]
    for invalid in ("25:00", "2026-12-24", "2026-12-32T10:00"):
        with pytest.raises(OptionError):
            parse_options(DefinitionKind.TASK, {"at": invalid}, "x")
