"""Starting runs as acts."""

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import BusyError, ConflictError, KeyConflictError, OptionError
from mainspring.domain.states import RunState
from mainspring.service import automation
from mainspring.service.runs.run_start import start
from mainspring.store.commands.automations import SetQueue
from tests.unit.service.conftest import BACKUP


def test_start_stages_a_run_and_audits_it(store, reads, clock, act):
    """A start is one run and one audit row with actor, reason and the run."""
    started = start(store, clock, BACKUP, b'{"n": 1}', act=act("go", reason="by hand"))
    view = reads.run_history(started.run).run
    assert (started.created, view.state, view.input, view.trigger) == (
        True,
        RunState.QUEUED,
        b'{"n": 1}',
        "cli:ann@box",
    )
    (row,) = reads.audit_rows()
    assert (row.command, row.actor, row.verb, row.subject, row.reason) == (
        "go", "cli:ann@box", "start", "automation:backup", "by hand",
    )  # fmt: skip
    assert msgspec.json.decode(row.detail) == {"run": started.run}


def test_start_twice_under_one_command_id_is_one_run(store, reads, clock, act):
    """The same command id returns the first run and makes no other."""
    first, second = (start(store, clock, BACKUP, b"{}", act=act("go")) for _ in range(2))
    assert first == second
    assert len(reads.list_runs().runs) == len(reads.audit_rows()) == 1


def test_start_with_a_known_key_finds_its_run(store, clock, act):
    """Another start with the same key and input is the same run, and says that it made none."""
    first, second = (start(store, clock, BACKUP, b"{}", act=act(), options=StartOptions(key="k")) for _ in range(2))
    assert (second.run, second.created) == (first.run, False)


def test_start_refuses_a_key_with_another_input(store, clock, act):
    """A key that was used with another input is refused and names the run that has it."""
    first = start(store, clock, BACKUP, b"{}", act=act(), options=StartOptions(key="k"))
    with pytest.raises(KeyConflictError, match=f"runs show {first.run}"):
        start(store, clock, BACKUP, b'{"n": 1}', act=act(), options=StartOptions(key="k"))


def test_start_is_refused_when_the_queue_is_full(store, clock, act):
    """A full backlog is an error that says when to come back."""
    store.apply(SetQueue("default", max_backlog=1))
    start(store, clock, BACKUP, b"{}", act=act())
    with pytest.raises(BusyError, match="default") as caught:
        start(store, clock, BACKUP, b"{}", act=act())
    assert caught.value.retry_after.total_seconds() > 0


def test_start_of_a_retired_automation_is_refused(store, clock, act):
    """A retired automation starts nothing, and the error says how to take that back."""
    automation.retire(store, "backup", act=act())
    with pytest.raises(ConflictError, match="auto resume"):
        start(store, clock, BACKUP, b"{}", act=act())
    automation.resume(store, "backup", act=act())
    assert start(store, clock, BACKUP, b"{}", act=act()).created


def test_start_takes_the_definitions_options(store, reads, clock, act):
    """The definition's options reach the staged run."""
    made = Definition(
        kind=DefinitionKind.TASK, name="other", options={"queue": "slow", "title": "Other {n}", "partition": "{n}"}
    )
    view = reads.run_history(start(store, clock, made, b'{"n": 7}', act=act()).run).run
    assert (view.queue, view.title, view.partition) == ("slow", "Other 7", "7")


def test_start_by_a_person_never_takes_a_key_away(store, clock, act):
    """The key policy of a run's own successor is refused to people."""
    with pytest.raises(OptionError, match="replace"):
        start(store, clock, BACKUP, b"{}", act=act(), options=StartOptions(key="k", key_policy="continue"))
