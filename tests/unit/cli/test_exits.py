"""One table from errors to exit codes."""

import pytest

from mainspring.cli import exits
from mainspring.domain import errors
from mainspring.domain.failures import saved_error
from mainspring.domain.failures.saved_error import RunFailed


def every(kind):
    for subclass in kind.__subclasses__():
        yield subclass
        yield from every(subclass)


def test_every_code_has_a_meaning():
    """What the table gives is written down."""
    assert {code for _, code in exits.EXIT_CODES} <= set(exits.MEANINGS)


def test_every_error_of_ours_is_distinguished():
    """Only what users raise inside steps, and a store that is damaged, end as an unexpected failure."""
    unexpected = {
        kind.__name__
        for kind in every(errors.MainspringError)
        if not any(issubclass(kind, k) for k, _ in exits.EXIT_CODES)
    }
    own_errors = {name for name in unexpected if hasattr(errors, name) or hasattr(saved_error, name)}
    assert own_errors == {
        "Transient",
        "NotSent",
        "Permanent",
        "StoreError",
        "OutsideStepError",
        "BodyError",
        "MiddlewareError",
        "StepFailed",
    }


def test_narrow_rows_are_above_wide_ones():
    """No row is hidden by one before it."""
    for place, (kind, _) in enumerate(exits.EXIT_CODES):
        assert not any(issubclass(kind, before) for before, _ in exits.EXIT_CODES[:place]), kind


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFoundError("x"), 3),
        (errors.KeyConflictError("x"), 8),
        (errors.StoreUnavailableError("x"), 75),
        (errors.StoreFullError("x"), 75),
        (errors.StoreReadOnlyError("x"), 4),
        (errors.ConfigError("x"), 2),
        (RunFailed("r", "failed"), 5),
        (exits.WaitTimedOutError("x"), 7),
        (exits.ConfirmationNeededError("x"), 2),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
    ],
)
def test_error_has_its_exit_code(error, code):
    """The codes that scripts rely on."""
    assert exits.find_exit_code(error) == code
