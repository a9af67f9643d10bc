"""The form of a labelled exception: a call that raises it, and what a person says about trying again."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mainspring.domain.failures.classifier import FailureKind

T, P, U = FailureKind.TRANSIENT, FailureKind.PERMANENT, FailureKind.UNKNOWN
AUTH, VALID, OTHER = "auth", "validation", "other"


class Case(NamedTuple):
    """`call` raises; `kind` is the label; `sort` says whether it is a refused log-in or a refused value."""

    name: str
    kind: FailureKind
    sort: str
    call: Callable[[], Any]


def raised(case: Case) -> BaseException:
    """Return what the library raises."""
    try:
        case.call()
    except BaseException as error:
        return error
    raise AssertionError(f"{case.name} raised nothing")


@contextlib.contextmanager
def closing(resource: Any) -> Iterator[Any]:
    """Give a thing and close it, whatever its close is called."""
    try:
        yield resource
    finally:
        resource.close()
