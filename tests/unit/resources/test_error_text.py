"""What is reported a fault holds no secret, in whatever form a library shows it."""

from urllib.parse import quote

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.resources.error_text import ErrorText

_KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nabc\n-----END KEY-----"


def report(error: BaseException, *secrets: str) -> str:
    """Return the line for an error, of what was asked for these secrets."""

    class Known:
        def get(self, name: str) -> str:
            return name

    text = ErrorText(Known())
    for secret in secrets:
        text.get(secret)
    return text.of(error)


def test_secret_with_another_one_in_it_is_hidden_whole():
    """The shorter one must not take its middle out of the longer one first, in whatever order they became known."""
    shorter = [f"pass{number}" for number in range(20)]
    longer = [f"{word}-and-more{word}" for word in shorter]
    for short, long in zip(shorter, longer, strict=True):
        assert report(OSError(f"no {long} here"), short, long) == "OSError: no *** here"
        assert report(OSError(f"no {long} here"), long, short) == "OSError: no *** here"


@pytest.mark.parametrize("kind", [OSError, ConfigError])
def test_secret_of_several_lines_is_hidden(kind: type[Exception]):
    """Whole, before the text is cut at its first line; each of its lines; and as a library quotes it."""
    for form in (_KEY, repr(_KEY), "MIIEvQIBADANBg", quote(_KEY, safe="")):
        text = report(kind(f"bad key {form} refused"), _KEY)
        assert "MIIE" not in text
        assert text.endswith("refused")


def test_short_line_of_a_secret_hides_nothing_else():
    """A line of three characters would be found in every other word."""
    assert report(OSError("no alphabet: abc"), _KEY) == "OSError: no alphabet: abc"


def test_only_the_first_line_of_a_foreign_error_is_reported():
    """The rest is for a log; our own errors are one sentence over several lines."""
    assert report(OSError("one\ntwo")) == "OSError: one"
    assert report(ConfigError("one\ntwo")) == "one two"


@pytest.mark.parametrize(
    ("message", "line"),
    [("no key", "no key. Set it."), ("no key\nin a.toml", "no key in a.toml. Set it."), ("No.", "No. Set it.")],
)
def test_fix_is_a_sentence_of_its_own(message: str, line: str):
    """In one line they would read as one."""
    assert report(ConfigError(message, hint="Set it.")) == line
