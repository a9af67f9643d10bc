"""Effects that a check or a person has found: which reply the call returns."""

import itertools
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.actions import http
from mainspring.app.program_session import program_session
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.errors import ValueRefusedError
from mainspring.store.commands.effects import ConfirmEffect

NUMBERS = itertools.count(1)


def run(fn, tmp_path):
    """Run a function as the only step of a workflow; return its result."""

    @ms.workflow(name=f"found{next(NUMBERS)}")
    async def w(run: ms.Run):
        return await run.options(retry=ms.Retry(attempts=2, initial=timedelta(0))).step(fn)

    return ms.App(tmp_path / "s.db").run(w)


def send_lost(target, find):
    """Return a step whose POST reaches the target, without a response."""

    def call():
        address = f"{target.base}/orders?lost=1"
        return http.post(address, json={"number": 9}, once="nine", check=find, expect=201).status

    return call


@pytest.mark.parametrize("status", [200, 204, 302])
def test_reply_of_a_check_is_found_by_its_own_status(target, tmp_path, status):
    """A GET answers 200 where the POST expects 201: the target has the effect, and no second POST is sent."""

    def find():
        return http.get(f"{target.base}/status/{status}", expect=status)

    assert run(send_lost(target, find), tmp_path) == status
    assert target.record.read_text() == "9\n"


@pytest.mark.parametrize("status", [404, 410])
def test_reply_of_a_check_without_the_effect_sends_again(target, tmp_path, status):
    """404 and 410 mean that the target does not have it, also if the POST expects them."""

    def find():
        return http.get(f"{target.base}/status/{status}", expect=status)

    def call():
        return http.post(f"{target.base}/job", json={}, once="job", check=find, expect=(200, status)).json()

    target.job_polls = 1  # the next request gets 503
    assert run(call, tmp_path) == {"state": "done"}


@pytest.mark.parametrize("status", [401, 500])
def test_reply_of_a_check_with_another_status_leaves_the_effect_open(target, tmp_path, status):
    """A target that cannot answer says nothing about the effect: no second POST is sent."""

    def find():
        return http.get(f"{target.base}/status/{status}?token=x&text=broken", expect=status)

    with pytest.raises(ms.RunFailed, match="leaves open") as failed:
        run(send_lost(target, find), tmp_path)
    assert "token" not in str(failed.value)
    assert target.record.read_text() == "9\n"


def confirm(key, result=None):
    """Decide as a person does."""
    session = program_session()
    session.apply(ConfirmEffect(key, None if result is None else session.project.sealing.seal(result), "ann"))


def test_person_confirms_a_request_with_and_without_a_reply(target, ledger):
    """Without a result the reply is that of check=True; a result in another form is an error until it is corrected."""

    def call():
        return http.post(f"{target.base}/orders?lost=1", json={"number": 9}, once="cf 1", expect=201)

    with pytest.raises(EffectInDoubtError):
        call()
    confirm("cf 1")
    assert call() == http.HttpReply(201, f"{target.base}/orders?lost=1")
    for result in (b'"I-7"', b"200", b"{}"):
        confirm("cf 1", result)
        with pytest.raises(ValueRefusedError, match="result of effect 'cf 1'") as refused:
            call()
        assert 'The form is {"status": int, "url": str}' in refused.value.hint
        assert "mainspring effects confirm 'cf 1' --result JSON" in refused.value.hint
    confirm("cf 1", b'{"status":200,"url":"http://shop.example.com","body":"7"}')
    assert call().json() == 7
    assert target.record.read_text() == "9\n"
