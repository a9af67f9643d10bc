"""Headlines of failures: type, words and place; saved errors as causes; fingerprints that do not hear of either."""

import traceback
from pathlib import Path

import pytest
from msgspec.structs import replace

import mainspring
from mainspring.domain.errors import Permanent
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.error_location import locate_full_path, locate_line
from mainspring.domain.failures.failure import Failure, shorten_headline
from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.failures.saved_error import RunFailed, SavedError, StepFailed, make_saved_error
from mainspring.engine.commands.command import CommandEnd
from mainspring.engine.commands.command_result import raise_unless_succeeded

FRAMES = [
    "/w/src/mainspring/engine/attempts/thread_attempt.py:77 ThreadAttempt._call",
    "/srv/shop/jobs.py:6 w",
    "/usr/lib/python3.13/json/decoder.py:345 JSONDecoder.decode",
]
MISSING = Failure("KeyError", "bug", "'b'", frames=FRAMES)


def _raised(error):
    try:
        raise error
    except BaseException as caught:
        return Failure.of(caught, classify(caught))


def test_headline_has_type_words_and_place():
    """The place is the user's innermost frame, not the library's below it, nor ours above."""
    assert MISSING.headline == "KeyError: 'b' (jobs.py:6 in w)"
    assert replace(MISSING, type="shop.errors.Declined", message="card refused\nmore").headline == (
        "Declined: card refused (jobs.py:6 in w)"
    )
    assert replace(MISSING, message="card refused\nmore").full_text == "KeyError: card refused (jobs.py:6 in w)\nmore"
    assert _raised(ValueError()).headline.startswith("ValueError (test_headlines.py:")
    assert replace(MISSING, frames=FRAMES[:1]).headline == "KeyError: 'b'"
    assert Failure("KeyError", "bug", "'b'").headline == "KeyError: 'b'"
    assert Failure("shop.Declined", "unknown", "no").headline == "Declined: no"


def test_headline_of_what_is_no_exception_of_users_is_its_words():
    """A command that ended, and what Mainspring says itself, need no type."""
    assert Failure("Drift", "drift", "the code asks for another input").headline == "the code asks for another input"
    end = CommandEnd(code=3, timed_out=False, stopped=False, tail="", duration_us=5)
    with pytest.raises(Exception, match="ended") as caught:
        raise_unless_succeeded(["/srv/backup.sh"], end, None)
    assert Failure.of(caught.value, classify(caught.value)).headline == "/srv/backup.sh ended with exit code 3"


def test_headline_that_is_too_long_keeps_its_place():
    """Words are cut, the place stays; a place that is longer than half of it is cut too."""
    shortened = shorten_headline(replace(MISSING, message="x" * 5_000).headline, 60)
    assert len(shortened) == 60
    assert shortened.startswith("KeyError: xxx")
    assert shortened.endswith("x… (jobs.py:6 in w)")
    assert len(replace(MISSING, message="x" * 5_000).headline) == 300
    assert len(shorten_headline(f"a ({'b' * 100})", 20)) == 20
    assert shorten_headline("short (a.py:1 in b)", 60) == "short (a.py:1 in b)"


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        (["/srv/a.py:3 f.<locals>.g"], "a.py:3 in g"),
        (["/srv/a.py:3 <module>"], "a.py:3"),
        (["/srv/a/__init__.py:3 Loader.load"], "a/__init__.py:3 in Loader.load"),
        (["/srv/a.py:3 f.<locals>.<listcomp>"], "a.py:3 in f"),
        (["<stdin>:1 w"], "<stdin>:1 in w"),
        (["<frozen importlib._bootstrap>:3 _find"], ""),
        (["/v/lib/python3.12/site-packages/httpx/_client.py:9 Client.send"], "_client.py:9 in Client.send"),
        (["/home/ann/src/mainspring/jobs.py:6 w"], "jobs.py:6 in w"),
        (["/home/ann/src/mainspring/automations/jobs.py:6 w"], "jobs.py:6 in w"),
        ([], ""),
    ],
)
def test_place_of_a_headline_has_the_line(frames, place):
    """Code that was typed in has one too; code of Python itself has none."""
    assert locate_line(frames) == place


@pytest.mark.parametrize("above", ["/w/src", "/v/lib/python3.12/site-packages"])
def test_no_module_of_ours_is_the_place_of_an_error(above):
    """However it was installed; a project of the user may be called mainspring as well."""
    package = Path(mainspring.__file__).parent
    files = [file.relative_to(package) for file in package.rglob("*.py")]
    assert len(files) > 100
    assert [file for file in files if locate_line([f"{above}/mainspring/{file}:1 f"])] == []


def test_full_place_has_the_path():
    """For an editor."""
    assert locate_full_path(FRAMES) == "/srv/shop/jobs.py:6 in w"
    assert locate_full_path([]) == ""


@pytest.mark.parametrize("make", [lambda f: StepFailed("w", f), lambda f: RunFailed("r_1", "failed", f)])
def test_cause_of_a_failed_step_or_run_replaces_the_error(make):
    """Its class has the name of the one that was raised, and is one if that is built in; made of what is saved alone."""
    error = make(replace(MISSING, cause=replace(MISSING, type="shop.Inner", message="inner")))
    assert "KeyError: 'b' (jobs.py:6 in w)" in str(error)
    cause = error.__cause__
    assert isinstance(cause, SavedError)
    assert isinstance(cause, KeyError)
    assert (type(cause).__name__, type(cause).__module__, str(cause)) == (
        "KeyError",
        "builtins",
        "'b' (jobs.py:6 in w)",
    )
    assert (type(cause.__cause__).__name__, type(cause.__cause__).__module__) == ("Inner", "shop")
    printed = "".join(traceback.format_exception(error))
    assert "KeyError: 'b' (jobs.py:6 in w)" in printed
    assert "/srv/shop/jobs.py:6 w" in printed
    assert error.failure is cause.failure
    assert RunFailed("r_1", "cancelled").__cause__ is None


@pytest.mark.parametrize(
    "name",
    [
        "StopIteration",
        "ExceptionGroup",
        "KeyboardInterrupt",
        "UnicodeDecodeError",
        "OSError",
        "Exception",
        "len",
        "a.b.C",
    ],
)
def test_any_type_name_makes_a_cause(name):
    """Also of classes that Python makes otherwise, or that are none."""
    error = make_saved_error(replace(MISSING, type=name))
    assert type(error).__name__ == name.rpartition(".")[2]
    assert not isinstance(error, StopIteration | BaseExceptionGroup | KeyboardInterrupt)
    assert str(error) == "'b' (jobs.py:6 in w)"


def test_saved_error_that_is_raised_again_is_the_same_failure():
    """A body that raises the cause of a failed step loses nothing of it."""
    assert _raised(make_saved_error(MISSING)) == MISSING


def test_fingerprints_do_not_hear_of_headlines():
    """Another line, or a cause, is no other error: of the failure itself, of a run that failed in a step, and of a group of steps."""
    moved = replace(MISSING, frames=[frame.replace(":6 ", ":60 ") for frame in FRAMES])
    assert moved.headline != MISSING.headline
    assert fingerprint_of(moved) == fingerprint_of(MISSING)
    for wrap in (
        lambda f: RunFailed("r_1", "failed", f),
        lambda f: ExceptionGroup("two", [StepFailed("a", f), StepFailed("b", f)]),
    ):
        first, second = _raised(wrap(MISSING)), _raised(wrap(moved))
        assert first.message == second.message
        assert "jobs.py" not in first.message
        assert fingerprint_of(first).id == fingerprint_of(second).id


def test_hint_stays_with_a_failed_step():
    """What the author says about fixing it."""
    failed = StepFailed("pay", _raised(Permanent("declined", hint="Ask the customer.")))
    assert str(failed).startswith("pay: Permanent: declined (test_headlines.py:")
    assert str(failed).endswith(" in _raised)\nAsk the customer.")
    assert failed.reason == "declined"
