"""Effects that a person has confirmed: what the next call of an action returns."""

from typing import Any

import pytest

from mainspring.actions.base.effect_result import read_effect_result
from mainspring.actions.base.sent_once import SentOnce
from mainspring.actions.git import GitPush
from mainspring.actions.slack import SlackMessage
from mainspring.app.program_session import program_session
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.errors import Transient, ValueRefusedError
from mainspring.store.commands.effects import ConfirmEffect


def send_and_confirm(kind: Any, default: Any, result: bytes | None) -> Any:
    """Lose a message, let a person confirm it with a result, and return that of the next call."""

    async def lose() -> Any:
        raise Transient("lost")

    def call() -> Any:
        return SentOnce("slack.post", kind, lambda: default, once="post 1", within=None).perform(lose)

    with pytest.raises(EffectInDoubtError):
        call()
    session = program_session()
    data = None if result is None else session.project.sealing.seal(result)
    session.apply(ConfirmEffect("post 1", data, "ann"))
    return call()


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        (SlackMessage, None, "default"),
        (SlackMessage, b'{"channel":"#ops","ts":"1.2"}', SlackMessage("#ops", "1.2")),
        (None, b'"any"', "default"),
    ],
)
def test_confirmed_message_returns_its_result(ledger, kind, result, expected):
    """Without one, or if the action has none, it returns the default."""
    assert send_and_confirm(kind, "default", result) == expected


def test_result_in_another_form_names_the_form(ledger):
    """The error has the key and the commands that help."""
    with pytest.raises(ValueRefusedError, match="result of effect 'post 1'") as refused:
        send_and_confirm(SlackMessage, "default", b'"1.2"')
    assert "mainspring effects confirm 'post 1' --result JSON" in refused.value.hint
    assert "mainspring effects forget 'post 1'" in refused.value.hint
    with pytest.raises(ValueRefusedError) as refused:
        read_effect_result("push", b"{}", GitPush)
    assert 'The form is {"commit": str, "branch": str, "is_new": bool}' in refused.value.hint
