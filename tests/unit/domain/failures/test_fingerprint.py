"""Fingerprints: what is one cause stays one, wherever and whenever it happens; what is another is distinguished."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.domain.failures.error_location import locate_function
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.commands.command import CommandEnd
from mainspring.engine.commands.command_result import raise_unless_succeeded
from tests.unit.domain.fingerprint_pairs import PAIRS

USER = "/srv/shop/orders.py:41 charge"
MACHINES = ["/srv/shop", "/home/ana/work/shop", "C:\\shop", "/app", "."]


def failure(message="card 812 refused", *, type="shop.CardError", code="unknown", frames=(USER,), **more) -> Failure:
    return Failure(type=type, code=code, message=message, frames=list(frames), **more)


def test_labelled_pairs_are_many_and_of_both_sorts():
    """At least 60 pairs; a third or more are distinguished."""
    assert len(PAIRS) >= 60
    assert sum(not pair.same for pair in PAIRS) >= 20


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_fingerprint_agrees_with_each_label(pair):
    """Two failures have one fingerprint exactly if a person says that their cause is one."""
    first, second = fingerprint_of(pair.first()), fingerprint_of(pair.second())
    assert (first == second) is pair.same, (first, second)


@given(
    st.sampled_from(MACHINES),
    st.integers(1, 99_999),
    st.integers(1, 50),
    st.uuids(),
    st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26).filter(
        lambda t: len(re.findall(r"\d+", t)) > 1
    ),
)
def test_fingerprint_is_that_of_another_machine_line_attempt_and_run(machine, line, attempt, order, run):
    """Nothing of where, when and how often it happens is in it."""

    def message(machine, line, attempt, order, run):
        return failure(
            f"order {order}: attempt {attempt} of run r_{run} failed after {attempt}.5 s at {machine}/a/b.csv",
            frames=[f"{machine}/flows.py:{line} order", f"{machine}/orders.py:{line} charge"],
        )

    base = message("/opt/x", 7, 3, "7f9c24e8-3b12-4fef-91d0-1d2b3c4d5e6f", "01h9z3abcdq7mm01h9z3abcdq7")
    found = fingerprint_of(message("/opt/x", line, attempt, order, run))
    assert found == fingerprint_of(base)
    moved = replace(base, frames=[f"{machine}/flows.py:{line} order", f"{machine}/orders.py:{line} charge"])
    assert fingerprint_of(moved) == fingerprint_of(base)


@given(st.from_regex(r"[a-z]{3,12}", fullmatch=True).filter(lambda name: name != "charge"))
def test_fingerprint_is_another_for_another_type_place_code_and_words(name):
    """Each of the four parts tells causes apart."""
    base = fingerprint_of(failure())
    changed = [
        failure(type=f"shop.{name}Error"),
        failure(frames=[f"/srv/shop/orders.py:41 {name}"]),
        failure(frames=[f"/srv/shop/{name}.py:41 charge"]),
        failure(code=name),
        failure(f"card refused {name} here"),
    ]
    assert base not in [fingerprint_of(failure) for failure in changed]
    assert len({fingerprint_of(failure).id for failure in changed} | {base.id}) == 6


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(max_size=200),
    st.lists(st.text(max_size=60), max_size=5),
    st.one_of(st.none(), st.text()),
)
def test_fingerprint_never_raises(type, code, message, frames, hint):
    """Whatever text is in a failure, it has a fingerprint of the same form."""
    found = fingerprint_of(failure(message, type=type, code=code, frames=frames, hint=hint))
    assert re.fullmatch(r"[0-9a-f]{12}", found.id)


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        ([USER, "/v/lib/python3.12/site-packages/httpx/_client.py:9 Client.send"], "orders.py charge"),
        ([USER, "/usr/lib/python3.11/json/decoder.py:9 JSONDecoder.decode"], "orders.py charge"),
        ([USER, "/usr/lib/python3/dist-packages/requests/api.py:9 get"], "orders.py charge"),
        (["/w/src/mainspring/engine/attempts/thread_attempt.py:3 run", USER], "orders.py charge"),
        ([USER, "/w/src/mainspring/engine/body/run.py:3 Run.step"], "orders.py charge"),
        ([USER, "/w/src/mainspring/actions/files/content.py:3 write"], "orders.py charge"),
        ([USER, "<frozen importlib._bootstrap>:3 _find"], "orders.py charge"),
        (["C:\\shop\\orders.py:3 charge", "C:\\Python312\\Lib\\json\\decoder.py:9 decode"], "orders.py charge"),
        (["/srv/shop/billing/__init__.py:3 charge"], "billing/__init__.py charge"),
        (["/srv/shop/orders.py:3 charge.<locals>.<listcomp>"], "orders.py charge"),
        (["/srv/shop/orders.py:3 charge.<locals>.<lambda>"], "orders.py charge.<locals>.<lambda>"),
        (
            ["/w/src/mainspring/engine/x.py:3 run", "/v/site-packages/a/api.py:9 get", "/v/site-packages/b/c.py:9 f"],
            "api.py get",
        ),
        (["/w/src/mainspring/engine/x.py:3 run"], ""),
        (["/home/ana/mainspring/orders.py:3 charge"], "orders.py charge"),
        (["odd", "/srv/x…[+30 characters]"], ""),
        ([], ""),
    ],
)
def test_place_is_the_innermost_function_of_the_user(frames, place):
    """Frames of libraries, of Python and of Mainspring are passed over."""
    assert locate_function(frames) == place


def _ended(words: list[str], code: int, tail: str) -> Failure:
    end = CommandEnd(code=code, timed_out=False, stopped=False, tail=tail, duration_us=5)
    with pytest.raises(Exception, match="ended") as caught:
        raise_unless_succeeded(words, end, None)
    return Failure.of(caught.value, classify(caught.value))


def test_fingerprint_of_a_command_is_its_exit_code_and_last_line():
    """The folder and what else it printed are not in it; with and without frames it is the same."""
    found = _ended(["/srv/backup.sh"], 3, "began 03:00\nno space on /dev/sda1 (12 MB left)\n")
    print_ = fingerprint_of(replace(found, frames=[]))
    assert print_.message == "exit code 3: no space on … (… left)"
    assert fingerprint_of(_ended(["/opt/b.sh"], 3, "began 04:00\nno space on /dev/sdb2 (7 MB left)\n")) == print_
    assert fingerprint_of(_ended(["/srv/backup.sh"], 4, "no space on /dev/sda1 (12 MB left)")) != print_
    assert fingerprint_of(_ended(["/srv/backup.sh"], 3, "no such table")) != print_
    assert fingerprint_of(_ended(["/srv/backup.sh"], -9, "")).message == "signal 9"


class _Codec:
    id = "other"

    def encode(self, data: bytes) -> bytes:
        return data[::-1]

    decode = encode


def test_fingerprint_of_sealed_words_reports_nothing_of_them():
    """It is the same under each codec and key, and its text holds none of the words."""
    sealing = Sealing(_Codec())
    first = sealing.seal_failure(failure("secret plan 9", kind=FailureKind.PERMANENT))
    second = sealing.seal_failure(failure("other words", kind=FailureKind.PERMANENT))
    assert first is not None
    assert second is not None
    assert fingerprint_of(first) == fingerprint_of(second)
    assert fingerprint_of(first).message == ""
