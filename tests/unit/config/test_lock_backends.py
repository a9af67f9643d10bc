"""Lock backends in the settings: how they are named, in which environment they count, what is refused."""

from datetime import timedelta

import pytest

from mainspring.config.settings import LockBackendSettings
from mainspring.domain.errors import ConfigError


def test_backends_are_named_by_text_or_table(read):
    """Those of all are of production only: a test must not keep it waiting."""
    text = '[locks]\na = "redis://{secret:R}@h/0"\nb = { url = "postgresql://u@h/d", lease = "5s" }\n'
    assert read(text).locks == {
        "a": LockBackendSettings(url="redis://{secret:R}@h/0"),
        "b": LockBackendSettings(url="postgresql://u@h/d", lease=timedelta(seconds=5)),
    }
    assert read(text, {"MAINSPRING_PROJECT_ENVIRONMENT": "dev"}).locks == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[locks]\na = "redis://u:p4ss@h"', "the address of the lock backend has a password"),
        ('[locks]\na = "ftp://h"', "no lock backend is known for 'ftp://'"),
        ('[locks]\nA_b = "redis://h"', "cannot name a lock backend"),
        ("[locks.a]", "it has no address"),
        ('[locks]\na = "redis://h/0?stream=s"', "unknown parameter in the address of a lock backend"),
        ('[locks]\na = "postgresql://h/d?table=t"', "unknown parameter in the address of a lock backend"),
        ('[locks]\na = "postgresql://h"', "is not valid for this lock backend"),
    ],
)
def test_backend_that_cannot_be_used_is_refused(read, text, reason):
    """The error says what is wrong and where, and repeats no password."""
    with pytest.raises(ConfigError, match=reason) as caught:
        read(text)
    assert "mainspring.toml:" in str(caught.value)
    assert "p4ss" not in str(caught.value)
