"""Tag expressions: the workers that may execute a run, by their tags: "gpu & eu", "gpu | tpu", "!spot". Pure.

`&` binds more closely than `|`, and `!` most closely. There are no brackets.
"""

import re
from collections.abc import Collection
from typing import Final

from mainspring.domain.errors import OptionError

_SIGNS: Final = "&|!"
_WORD: Final = re.compile(r"(!?)\s*([A-Za-z0-9_.:/-]{1,200})")
_HINT: Final = 'Write tags of letters, digits and _ . : / - with & (and), | (or) and ! (not): "gpu & eu".'


def read_tag_expression(value: object) -> str:
    """Return an expression in its one form, with one blank around & and |.

    Raises:
        OptionError: it is none.
    """
    if not isinstance(value, str):
        raise OptionError(f"{repr(value)[:80]} is not a tag", hint=_HINT)
    return " | ".join(" & ".join(_read_word(word, value) for word in part.split("&")) for part in value.split("|"))


def _read_word(word: str, whole: str) -> str:
    match = _WORD.fullmatch(word.strip())
    if match is None:
        raise OptionError(f"{whole[:80]!r} is not a tag, nor an expression of tags", hint=_HINT)
    return f"{match[1]}{match[2]}"


def matches(expression: str, tags: Collection[str]) -> bool:
    """Return whether a worker with these tags may execute a run with this expression, as `read_tag_expression` wrote it."""
    return any(
        all((word[1:] not in tags) if word.startswith("!") else word in tags for word in part.split(" & "))
        for part in expression.split(" | ")
    )


def list_missing_tags(expression: str) -> list[str]:
    """Return tags with which a worker matches the expression: those of its first part. Empty = it must only lack some."""
    return [word for word in expression.split(" | ", maxsplit=1)[0].split(" & ") if not word.startswith("!")]


def describe_required(expression: str) -> str:
    """Return what a worker needs, in words: "tag gpu", or "tags that fit gpu & eu"."""
    return f"tags that fit {expression}" if any(sign in expression for sign in _SIGNS) else f"tag {expression}"
