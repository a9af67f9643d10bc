"""The error tree: its shape, codes and messages."""

import re
import subprocess
import sys
from datetime import timedelta

import pytest

from mainspring.domain import errors
from mainspring.domain.errors import MainspringError, Permanent, Transient, ValueRefusedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import RunFailed, StepFailed

CLASSES = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, MainspringError)]
CLASSES += [StepFailed, RunFailed]


def test_errors_are_all_rendered_in_the_tree():
    """The docstring's tree names exactly the classes that exist, under their parents."""
    families, parents = {}, {}
    for line in errors.__doc__.split("\n\n")[1].splitlines():
        match = re.match(r"( {4}[ |`-]*)([A-Z]\w+)  ", line)
        if match:
            depth = len(match[1])
            parents[depth] = match[2]
            families[match[2]] = parents.get(depth - 3)
    assert families == {cls.__name__: cls.__base__.__name__ for cls in CLASSES} | {"MainspringError": None}


def test_errors_have_codes_of_their_own():
    """Each class has a stable snake_case code that no other has; what a step left behind has the failure's."""
    codes = [cls.code for cls in CLASSES if cls is not StepFailed]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_error_text_is_message_then_hint():
    """The hint stands on a line of its own, if there is one."""
    assert str(errors.ConfigError("no store", hint="Set store.url.")) == "no store\nSet store.url."
    assert str(errors.ConfigError("no store")) == "no store"


@pytest.mark.parametrize(
    ("given", "expected"), [("30s", 30), ("120", 120), (1.5, 1.5), (timedelta(minutes=1), 60), (None, None)]
)
def test_transient_reads_retry_after(given, expected):
    """Texts, seconds and spans are one span."""
    span = Transient("x", retry_after=given).retry_after
    assert span == (None if expected is None else timedelta(seconds=expected))


def test_transient_refuses_a_retry_after_that_is_no_span():
    """A mistyped span is an error at once."""
    with pytest.raises(errors.OptionError, match="soon"):
        Transient("x", retry_after="soon")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"a": [1, {2}]}, "$.a[1]"),
        (float("nan"), "$"),
        ({1: 2}, "$"),
        ([2**64], "$[0]"),
        ({"a": "\ud800"}, "$.a"),
        ({"a": object()}, "$.a"),
    ],
)
def test_permanent_refuses_data_that_is_not_json(data, path):
    """The path inside the data and the reason of the error are named."""
    with pytest.raises(ValueRefusedError, match="card") as caught:
        Permanent("card declined", data=data)
    assert caught.value.path == path


def test_permanent_refuses_data_that_holds_itself():
    """A cycle is an error, not a crash."""
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueRefusedError, match="deep"):
        Permanent("x", data=loop)


def test_unknown_name_displays_the_nearest():
    """A near name is proposed, else the known names are listed."""
    near = errors.UnknownNameError("option", "atempts", ["attempts", "wait"])
    assert (near.nearest, str(near)) == ("attempts", "unknown option 'atempts'\nDid you mean 'attempts'?")
    part = errors.UnknownNameError("option", "after", ["after_failure", "after_success", "rate"])
    assert str(part) == "unknown option 'after'\nDid you mean 'after_failure' or 'after_success'?"
    assert errors.UnknownNameError("secret", "shop_api", ["SHOP_API", "SHOP"]).nearest == "SHOP_API"
    assert str(errors.UnknownNameError("option", "zzz", "ab")) == "unknown option 'zzz'\nKnown: a, b."
    assert errors.UnknownNameError("option", "zzz", []).hint is None
    assert "mainspring up -m FILE" in (errors.UnknownNameError("automation", "zzz", []).hint or "")


def test_outside_step_displays_the_form_to_write():
    """The message shows run.step with the step's name."""
    assert "await run.step(charge, ...)" in str(errors.OutsideStepError("charge"))


def test_step_failed_carries_the_failure():
    """Code, reason, data and hint are those of the failure."""
    failure = Failure(type="X", code="declined", message="no money", hint="Pay.", data={"a": 1})
    error = StepFailed("charge", failure)
    assert (error.code, error.reason, error.data, error.hint) == ("declined", "no money", {"a": 1}, "Pay.")
    assert str(error) == "charge: no money\nPay."
    assert str(RunFailed("r1", "cancelled")) == "run r1 is cancelled"


def test_fenced_is_no_store_error():
    """Code that survives store errors cannot swallow the end of its session."""
    assert not issubclass(errors.FencedError, errors.StoreError)


def test_errors_import_nothing_heavy():
    """The module alone imports neither msgspec nor tenacity nor asyncio."""
    code = (
        "import sys;"
        "import mainspring.domain.errors;"
        "print([m for m in ('msgspec', 'tenacity', 'asyncio', 'email', 'difflib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
