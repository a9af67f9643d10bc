"""What a run waits for, as lines that somebody copies into a shell: what comes from a run is one word there."""

import shlex

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.insight.waits import asks
from mainspring.store.views import WaitView


def wait(*choices):
    question = msgspec.json.encode({"text": "Go on?", "choices": list(choices)})
    return WaitView("r_1", "q1", "ask", "ask", None, question, False, 0)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4))
def test_answer_is_one_word_whatever_may_be_chosen(choices):
    """Nothing that a question offers is a command of its own, nor are two choices a pipe."""
    words = shlex.split(asks(wait(*choices))[1], comments=True)
    assert words[:4] == ["mainspring", "runs", "answer", "r_1"]
    assert len(words) == 5


def test_answer_that_may_be_any_text_is_not_quoted():
    """Nor one of a single plain word."""
    assert asks(wait())[1] == "mainspring runs answer r_1 TEXT"
    assert asks(wait("yes"))[1] == "mainspring runs answer r_1 yes"
    assert asks(wait("wait", "$(reboot)"))[1] == "mainspring runs answer r_1 'wait|$(reboot)'"
