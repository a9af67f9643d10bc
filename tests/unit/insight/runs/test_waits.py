"""What a run waits for, as lines that someone copies into a shell: what comes from a run is one word there."""

import shlex

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.insight.runs.waits import answer_command, ask_text
from mainspring.store.views import WaitView


def wait(*choices):
    question = msgspec.json.encode({"text": "Go on?", "choices": list(choices)})
    return WaitView("r_1", "q1", "ask", "ask", None, question, False, 0)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4))
def test_answer_is_one_word_whatever_may_be_chosen(choices):
    """Nothing that a question offers is a command of its own, nor are two choices a pipe."""
    _, commands = ask_text(wait(*choices))
    assert len(commands) == max(len(choices), 1)
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words[:4] == ["mainspring", "runs", "answer", "r_1"]
        assert len([word for word in words[4:] if word != "--"]) <= 1


def test_answer_that_may_be_any_text_is_not_quoted():
    """Nor one of a single plain word."""
    assert ask_text(wait())[1] == ["mainspring runs answer r_1 TEXT"]
    assert ask_text(wait("yes"))[1] == ["mainspring runs answer r_1 yes"]


def test_each_choice_has_a_command_that_can_be_pasted():
    """A choice that looks like an option is none; where only one command has room, it is the one that lists them."""
    assert ask_text(wait("deploy", "$(reboot)", "-n"), "q1")[1] == [
        "mainspring runs answer r_1 deploy --question q1",
        "mainspring runs answer r_1 '$(reboot)' --question q1",
        "mainspring runs answer r_1 --question q1 -- -n",
    ]
    assert answer_command(wait("deploy", "refuse")) == "mainspring explain r_1"
    assert answer_command(wait("deploy")) == "mainspring runs answer r_1 deploy"
