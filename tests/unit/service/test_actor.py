"""Actors, reasons and command ids."""

import pytest

from mainspring.domain.access.permissions import API, EntryPoint
from mainspring.domain.errors import OptionError
from mainspring.service.actor import Actor, operation_context
from tests.contract.store.clock import FakeClock


@pytest.mark.parametrize(
    ("actor", "text"),
    [
        (Actor.cli("ann", "box"), "cli:ann@box"),
        (Actor.app(17, "box"), "app:17@box"),
        (Actor.cli("a\nb\x1b[2J", "box"), "cli:a b\\x1b[2J@box"),
    ],
)
def test_actor_is_written_as_entry_point_and_name(actor, text):
    """An actor is one printable text that says where it came in and who it is."""
    assert str(actor) == text


def test_operation_makes_a_command_id_of_its_own():
    """Without a command id each act gets a new one."""
    clock = FakeClock()
    first, second = (operation_context(Actor.cli("ann", "box"), clock) for _ in range(2))
    assert first.command.startswith("c_")
    assert first.command != second.command


def test_operation_keeps_the_callers_command_id():
    """A command id of the caller is used as it is; a reason is kept, an empty one is none."""
    act = operation_context(Actor.cli("ann", "box"), FakeClock(), reason="", command="deploy-17:a")
    assert (act.command, act.reason) == ("deploy-17:a", None)


@pytest.mark.parametrize("command", ["", "a b", "a/b", "-x", "x" * 241, "a\n"])
def test_operation_refuses_what_cannot_be_a_command_id(command):
    """A command id that is empty, too long or could be a derived one is refused."""
    with pytest.raises(OptionError, match="not a command id") as refused:
        operation_context(Actor.cli("ann", "box"), FakeClock(), command=command)
    assert str(refused.value.hint).startswith("Use up to 240 letters")
    assert operation_context(Actor.cli("ann", "box"), FakeClock(), command="x" * 240).command == "x" * 240


def test_part_of_an_operation_has_a_derived_command_id():
    """The part of an act for one run has the same id each time, another for each run, and none that a caller could give."""
    act = operation_context(Actor.cli("ann", "box"), FakeClock(), reason="why", command="all")
    assert act.part("r_1") == act.part("r_1")
    assert act.part("r_1").command != act.part("r_2").command
    assert (act.part("r_1").actor, act.part("r_1").reason) == (act.actor, "why")
    with pytest.raises(OptionError):
        operation_context(act.actor, FakeClock(), command=act.part("r_1").command)


def test_every_entry_point_is_known():
    """By which the audit log is filtered; those of visitors too."""
    actors = (
        Actor.cli("ann", "box"),
        Actor.web("ana"),
        Actor.link("ann"),
        Actor.slack("ann"),
        Actor.app(17, "box"),
        Actor(API, "bot"),
    )
    assert {actor.entry_point for actor in actors} == set(EntryPoint)
