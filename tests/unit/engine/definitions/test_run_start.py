"""From definition, input and instant to the command that stages a run."""

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.options import parse_options
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import OptionError
from mainspring.domain.incidents.incident_members import HealthRule
from mainspring.domain.rollouts.rollout import hash_rollout_key
from mainspring.domain.text.escaping import unescape
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.store.commands.runs import SlotLink

NOW = 1_800_000_000_000  # 2027-01-15 08:00:00 UTC


def definition(kind=DefinitionKind.TASK, **options):
    read = parse_options(kind, options, "the test")
    return Definition(
        kind=kind,
        name="sync",
        version=read.get("version", 1),
        options=read,
        schedules=build_schedules(read, "sync"),
    )


def command(made=None, data=b'{"account": "main", "n": 3}', **given):
    slot = given.pop("slot", None)
    sealing = given.pop("sealing", PLAIN_SEALING)
    return build_start_command(
        made or definition(),
        data,
        run="r_1",
        now_at=NOW,
        trigger="test",
        options=StartOptions(**given),
        slot=slot,
        sealing=sealing,
    )


def test_start_takes_what_the_definition_states():
    """Queue, priority, tag, version, partition, key, deadline, title and tags come from the definition's options."""
    made = definition(
        queue="slow", priority=5, tag="gpu", version=3, partition="p-{account}", key="k-{n}", deadline="1h",
        title="Sync of {account}", tags=["nightly"],
    )  # fmt: skip
    start = command(made)
    assert (start.automation, start.kind, start.version) == ("sync", "task", 3)
    assert (start.queue, start.priority, start.tag, start.partition) == ("slow", 5, "gpu", "p-main")
    assert (start.run_key.key, start.run_key.policy) == ("k-3", "reuse")
    assert (start.deadline_after_ms, start.deadline_at, start.due_at) == (3_600_000, None, None)
    assert (start.title, start.tags) == ("Sync of main", b'{"nightly":""}')


def test_start_without_options_is_plain():
    """A definition that says nothing gives a run in the default queue, without key, partition, deadline, tags or title."""
    start = command()
    assert (start.queue, start.priority, start.tag, start.partition) == ("default", 0, None, None)
    assert (start.run_key, start.deadline_after_ms, start.tags, start.title) == (None, None, None, None)


def test_start_options_override_the_definition():
    """What a start says itself wins over the definition, and its tags are added."""
    made = definition(queue="slow", priority=5, key="k-{n}", title="Sync", tags=["nightly"])
    start = command(
        made, queue="fast", priority=-1, key="mine", key_policy="restart", title="By hand", tags={"team": "data"}
    )
    assert (start.queue, start.priority, start.title) == ("fast", -1, "By hand")
    assert (start.run_key.key, start.run_key.policy) == ("mine", "restart")
    assert start.tags == b'{"nightly":"","team":"data"}'


def test_deadline_of_a_later_start_counts_from_then():
    """A run that is due tomorrow does not spend its deadline waiting for tomorrow."""
    start = command(definition(deadline="1h"), due_at=NOW + 86_400_000)
    assert (start.deadline_at, start.deadline_after_ms) == (NOW + 90_000_000, None)


def test_slot_is_the_schedules_local_time():
    """{slot} is the due time in the schedule's zone; without a slot it is the instant of the start."""
    made = definition(cron="0 3 * * *", tz="Europe/Berlin", key="{slot:%F %H}")
    assert command(made, slot=SlotLink("sync", NOW - 3_600_000)).run_key.key == "2027-01-15 08"
    assert command(made).run_key.key == "2027-01-15 09"


def test_key_hash_is_of_the_plain_input():
    """The same input has the same hash under a codec that writes something else each time; another input has another."""

    class Noisy:
        id = "noisy"
        count = 0

        def encode(self, data):
            Noisy.count += 1
            return b"%d:" % Noisy.count + data

        def decode(self, data):
            return data.split(b":", 1)[1]

    first, second = (command(key="k", sealing=Sealing(Noisy())) for _ in range(2))
    assert first.input != second.input
    assert (first.codec, first.run_key) == ("noisy", second.run_key)
    assert command(key="k", data=b'{"n": 4}').run_key != first.run_key


def test_empty_key_is_no_key():
    """A key or partition that is empty for these arguments makes no run wait for, or stand for, another."""
    start = command(definition(key="{account}", partition="{account}"), data=b'{"account": null}')
    assert (start.run_key, start.partition) == (None, None)


def test_awkward_key_is_escaped():
    """Control characters of a file's name in a key stay apart from each other and printable."""
    made = definition(key="{path}")
    keys = {command(made, data=b'{"path": "a\\u%04x"}' % code).run_key.key for code in (1, 2)}
    assert keys == {"a\\x01", "a\\x02"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"queue": "no blanks"}, "queue"),
        ({"priority": 5000}, "priority"),
        ({"key": ""}, "key"),
        ({"key": "x" * 1001}, "key"),
        ({"key": "k\n"}, "cannot be printed"),
        ({"key": "k\x1b[31m"}, "cannot be printed"),
        ({"key": "k\u202e"}, "cannot be printed"),
        ({"key": "k\udcff"}, "cannot be printed"),
        ({"key_policy": "maybe"}, "key policy"),
    ],
)
def test_start_refuses_a_value_that_cannot_be_used(given, sentence):
    """Each option of a start is read like the definition's, and refused by name."""
    with pytest.raises(OptionError, match=sentence):
        command(**given)


@pytest.mark.parametrize("key", ["Zürich 2026", "a\\x1b", "no\u00a0break", "👩\u200d🔧"])
def test_printable_key_is_taken_as_it_is(key):
    """Whatever people write with is fine."""
    assert unescape(command(key=key).run_key.key) == key


def test_successor_keeps_its_key_whatever_is_in_it():
    """A run that restarts was given its key long ago."""
    assert command(key="k\nl", key_policy="continue").run_key.key == "k\nl"


def test_start_refuses_a_key_without_its_value():
    """A key template that lacks an argument is refused with option and automation, for two runs could not be distinguished."""
    with pytest.raises(OptionError, match="option 'key' of 'sync'"):
        command(definition(key="{missing}"))


@pytest.mark.parametrize("data", [b'{"user": null}', b'{"user": {"id": null}}', b"{}"])
def test_start_whose_arguments_have_no_rollout_key_is_not_refused(data):
    """The run is then assigned by its run key, else by its id: no start fails because of a rollout."""
    assert command(definition(rollout_by="{user.id}"), data=data).rollout_key is None


SLOT = SlotLink("sync", NOW)
SCHEDULED = {"cron": ["0 3 * * *"]}


@pytest.mark.parametrize(
    ("options", "given", "rule", "item"),
    [
        ({}, {}, HealthRule.ITEM, None),
        ({}, {"awaited": True}, HealthRule.RATE, ""),
        ({}, {"key": "k1"}, HealthRule.ITEM, "k1"),
        ({}, {"key": "k1", "awaited": True}, HealthRule.ITEM, "k1"),
        ({}, {"item": "in/13.csv", "key": "in/13.csv@5da9"}, HealthRule.ITEM, "in/13.csv"),
        ({"item": "{account}"}, {"item": "in/13.csv"}, HealthRule.ITEM, "main"),
        ({"item": "{account}"}, {"slot": SLOT}, HealthRule.ITEM, "main"),
        ({"item": "{account}", "healthy": "automation"}, {}, HealthRule.AUTOMATION, ""),
        (SCHEDULED, {"slot": SLOT}, HealthRule.AUTOMATION, ""),
        ({}, {"slot": SlotLink(None, NOW), "item": "2026-01-05"}, HealthRule.ITEM, "2026-01-05"),
        (SCHEDULED, {}, HealthRule.ITEM, None),
        (SCHEDULED, {"data": b"{}"}, HealthRule.AUTOMATION, ""),
        (SCHEDULED | {"healthy": "item"}, {"slot": SLOT, "key": f"sync@{NOW}"}, HealthRule.ITEM, f"sync@{NOW}"),
        ({"healthy": "rate"}, {"key": "k1"}, HealthRule.RATE, ""),
    ],
)
def test_start_states_what_settles_its_failure(options, given, rule, item):
    """What the definition says wins; else what starts it decides. Other arguments than the schedule's are another thing."""
    start = command(definition(**options), **given)
    assert (start.healthy, start.item) == (rule, item)


@pytest.mark.parametrize(("key", "rule", "item"), [(None, HealthRule.AUTOMATION, ""), ("f13", HealthRule.ITEM, "f13")])
def test_start_of_a_wrapped_command_is_about_its_key(key, rule, item):
    """A wrapped command with a key processes the item of that name; without one, each call does the same work."""
    start = command(definition(DefinitionKind.EXEC), b"{}", key=key)
    assert (start.healthy, start.item) == (rule, item)


def test_run_with_the_defaults_of_its_schedule_is_about_the_same_thing():
    """Anyone who starts it by hand; with another argument it is not."""
    made = definition(**SCHEDULED)
    made = msgspec.structs.replace(
        made, parameters={"properties": {"account": {"default": "main"}, "n": {"default": 3}}}
    )
    assert command(made).healthy is HealthRule.AUTOMATION
    assert command(made, b'{"account": "eu", "n": 3}').healthy is HealthRule.ITEM


def test_long_item_is_distinguished_by_its_hash():
    """No store could keep a path of four thousand characters as a key."""
    first, second = (command(item="x" * 4_000 + end).item for end in "ab")
    assert first != second
    assert len(first) < 100


def test_rollout_key_is_the_hash_of_its_template():
    """Runs of one customer get one version; nothing but the hash is stored."""
    made = definition(rollout_by="{account}")
    assert command(made).rollout_key == hash_rollout_key("sync", "main")
    assert command(made, key="k").rollout_key == hash_rollout_key("sync", "main")
    assert command(made, b'{"account": 7}').rollout_key == hash_rollout_key("sync", "7")


def test_rollout_key_of_each_run_is_its_id():
    """rollout_by="run", also if the run has a key."""
    assert command(definition(rollout_by="run"), key="k").rollout_key == hash_rollout_key("sync", "r_1")


def test_store_chooses_the_rollout_key_without_a_template():
    """It takes the run key, else the id; a template that is empty for these arguments counts as none."""
    assert command(key="k").rollout_key is None
    assert command(definition(rollout_by="{account}"), b'{"account": ""}').rollout_key is None


def test_rollout_key_without_a_value_refuses_no_start():
    """Any version is right for such a run: its run key or its id decides."""
    assert command(definition(rollout_by="{customer}")).rollout_key is None


def test_slot_of_a_schedule_has_no_rollout_key():
    """Its arguments are the defaults: each slot would get the same version."""
    slot = SlotLink(schedule="sync", slot_at=NOW)
    assert command(definition(rollout_by="{account}"), slot=slot).rollout_key is None


def test_start_of_a_candidate_is_marked():
    """The store refuses it where no version is in force."""
    assert command(definition(version=2, rollout=True)).is_candidate
    assert not command(definition(version=2)).is_candidate
