"""Readers of option values: each converts a value of Python or TOML to its canonical form, or refuses it.

Canonical values are JSON: spans are their shortest exact text ("20m"), choices are text, several values are a list. Invariant: reading a
canonical value again returns it, except a retry policy of live objects, which is stored as readable text.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from mainspring.domain.duration import MILLISECOND, format_duration, parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.redaction.secret_name import SECRET_NAME, SECRET_NAME_HINT
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.text.phrases import join_choices
from mainspring.domain.time.cron import expand_cron, find_zone
from mainspring.domain.time.rate import parse_rate
from mainspring.domain.time.schedule import read_moment
from mainspring.domain.values.schema_check import check_schema
from mainspring.domain.values.template import check_template

OptionReader = Callable[[Any], Any]

_NAME = lazy_pattern(r"\w[\w.:/-]{0,199}")
_CLOCK = lazy_pattern(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_MISFIRE = lazy_pattern(r"none|last|all(?::([1-9][0-9]{0,5}))?", re.ASCII)
_PERCENT = lazy_pattern(r"([0-9]+(?:\.[0-9]+)?)\s*%", re.ASCII)
_LONGEST_TEXT = 10_000
_LONGEST_STEP_NAME = 200


def read_name(value: Any) -> str:
    """Read a name that is valid in a command line, a path and a page."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise OptionError(
            f"{repr(value)[:80]} is not a name", hint="Use letters, digits and _ . : / - only, no blanks."
        )
    return value


def read_tag(value: Any) -> str:
    """Read a tag of workers, or an expression of tags."""
    from mainspring.domain.processes.tag_expression import read_tag_expression  # noqa: PLC0415 - few definitions have a tag

    return read_tag_expression(value)


def read_step_name(value: Any) -> str:
    """Read the name of a step: any printable text of one line, because it is only compared and shown."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_STEP_NAME or not is_plain_line(value):
        raise OptionError(
            f"{repr(value)[:80]} is not a name of a step",
            hint=f"Use 1 to {_LONGEST_STEP_NAME} printable characters in one line.",
        )
    if value != value.strip():
        raise OptionError(f"{value[:80]!r} starts or ends with a blank", hint="Leave the blank out.")
    return value


def read_step_names(value: Any) -> list[str]:
    """Read one name of a step or several."""
    return [read_step_name(item) for item in _as_list(value)]


def read_names(value: Any) -> list[str]:
    """Read one name or several."""
    return [read_name(item) for item in _as_list(value)]


def read_secret_names(value: Any) -> list[str]:
    """Read one name of a secret or several; an empty list allows none."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise OptionError(f"{str(value)[:80]!r} is not a list of names", hint='Write secrets=["STRIPE"].')
    for name in names:
        if not SECRET_NAME.fullmatch(name):
            raise OptionError(f"{name[:100]!r} is not a valid name of a secret", hint=SECRET_NAME_HINT)
    return list(dict.fromkeys(names))


def read_text(value: Any) -> str:
    """Read text that is not empty."""
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        raise OptionError(f"{value[:40]!r}... has {len(value)} characters", hint=f"Write at most {_LONGEST_TEXT}.")
    if not isinstance(value, str) or not value.strip():
        raise OptionError(f"{str(value)[:80]!r} is not a text", hint="Write it in quotes; it must not be empty.")
    return value


def read_switch(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise OptionError(f"expected true or false, got {value!r}", hint="Write rollout=True, or leave it out.")
    return value


def read_template(value: Any) -> str:
    """Read a template in braces; its names are checked when the arguments are known."""
    check_template(read_text(value))
    return str(value)


def read_templates(value: Any) -> list[str]:
    """Read one template or several."""
    return [read_template(item) for item in _as_list(value)]


def read_tags(value: Any) -> dict[str, str]:
    """Read {"team": "data"}, ["nightly", "team=data"] or "nightly, team=data" as a mapping; a bare word has the value ""."""
    if isinstance(value, Mapping):
        pairs = [(key, item if isinstance(item, str) else None) for key, item in value.items()]
    else:
        words = value.split(",") if isinstance(value, str) else _as_list(value)
        pairs = [_split_pair(read_text(word)) for word in words]
    for _, item in pairs:
        if item is None:
            raise OptionError(f"{value!r} are not tags", hint='Write {team = "data"} or ["nightly", "team=data"].')
        if not is_plain_line(item):
            raise OptionError(
                f"the tag {escape(item, 80)!r} has characters that cannot be printed",
                hint="Use printable characters in one line.",
            )
    return dict(sorted((read_name(key), item or "") for key, item in pairs))


def choice_reader(*allowed: str) -> OptionReader:
    """Return a reader of one of a few words."""

    def read(value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            raise OptionError(f"{value!r} is none of the choices", hint=f"Choose {join_choices(allowed)}.")
        return str(value)

    return read


def integer_reader(low: int, high: int) -> OptionReader:
    """Return a reader of whole numbers from low to high."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise OptionError(
                f"{value!r} is not a whole number from {low} to {high}",
                hint=f"Write a whole number from {low} to {high}.",
            )
        return value

    return read


def read_span(value: Any) -> str:
    """Read a span longer than zero: "30s", a timedelta, or a number of seconds."""
    if not parse_duration(value):
        raise OptionError(
            f"{value!r}: the duration must be greater than zero", hint='Write a span longer than zero, such as "30s".'
        )
    return read_span_from_zero(value)


def read_span_from_zero(value: Any) -> str:
    """Read a span that may be zero."""
    parsed = parse_duration(value)
    if parsed % MILLISECOND:
        raise OptionError(f"{value!r} is finer than a millisecond", hint="Use whole milliseconds.")
    return format_duration(parsed)


def read_rate(value: Any) -> str:
    """Read a rate: "10/m" = at most ten in any minute."""
    return str(parse_rate(value))


def read_span_or_off(value: Any) -> str | bool:
    """Read a span, or False / "off" for not watched."""
    return False if value is False or value == "off" else read_span(value)


def read_share_or_off(value: Any) -> float | bool:
    """Read a share from 0 to 1 ("20%" too), or False / "off"."""
    return False if value is False or value == "off" else read_share(value)


def read_share(value: Any) -> float:
    """Read a share from 0 to 1 ("20%" too)."""
    percent = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    share = float(percent[1]) / 100 if percent else value
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise OptionError(f"{value!r} is not a share", hint='Write "20%" or 0.2.')
    return float(share)


def read_count_or_off(value: Any) -> int | bool:
    """Read a number of runs from 1, or False / "off"."""
    return False if value is False or value == "off" else int(integer_reader(1, 10**9)(value))


def read_crons(value: Any) -> list[str]:
    """Read one cron expression or several, each checked."""
    crons = [read_text(item) for item in _as_list(value)]
    for item in crons:
        expand_cron(item, name="any")
    return crons


def read_clock_times(value: Any) -> list[str]:
    """Read one wall-clock time of day or several ("03:00"); a date and time ("2026-12-24T18:00") comes once."""
    return [read_moment(item) if _is_datetime(item) else _read_clock_time(item) for item in _as_list(value)]


def read_misfire(value: Any) -> str:
    """Read the policy for missed slots: "none", "last", "all", or the newest n: "all:50"."""
    if not isinstance(value, str) or not _MISFIRE.fullmatch(value):
        raise OptionError(
            f"{value!r} is none of the choices",
            hint='Choose "none", "last" or "all"; "all:50" makes up for the newest fifty.',
        )
    return value


def read_zone(value: Any) -> str:
    """Read the name of a time zone."""
    find_zone(read_text(value))
    return str(value)


def read_retry(value: Any) -> Any:
    """Read a retry policy: a number of attempts, a table, or a Retry."""
    policy = Retry.parse(value)
    if policy.restart:
        hint = "Give it to a run: app.options(retry=...).start(...) or run.options(retry=...).child(...)."
        raise OptionError("retry restart=True is for the retries of a whole run", hint=hint)
    return policy.to_data()


def read_schema(value: Any) -> Any:
    """Read a JSON schema whose every keyword is checked."""
    if not isinstance(value, Mapping) or not value:
        raise OptionError(f"{value!r} is not a JSON schema", hint='Write a table such as {type = "object"}.')
    try:
        plain = msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"a value cannot be saved: {error}", hint="Use text, numbers and lists.") from None
    check_schema(plain)
    return plain


def read_function(value: Any) -> str:
    """Read a function as "module:qualname"; the live one is stored beside the definition."""
    if isinstance(value, str) and re.fullmatch(r"[\w.]+:[\w.]+", value):
        return value
    named = getattr(value, "__qualname__", None)
    if not callable(value) or named is None:
        raise OptionError(f"{value!r} is not a function", hint="Pass the function itself, without brackets.")
    return f"{value.__module__}:{named}"


def _as_list(value: Any) -> list[Any]:
    """Return a single value as a list of one."""
    items = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    if not items:
        raise OptionError("the list is empty", hint="Leave the option out instead.")
    return sorted(items) if isinstance(value, set | frozenset) else items


def _split_pair(word: str) -> tuple[str, str]:
    """Split "key=value"; a bare word has the value ""."""
    key, _, item = word.strip().partition("=")
    return key.strip(), item.strip()


def _is_datetime(value: Any) -> bool:
    """Whether this is a date and time, not a time of day."""
    return isinstance(value, datetime) or (isinstance(value, str) and "-" in value)


def _read_clock_time(value: Any) -> str:
    """Return "HH:MM" with both digits; TOML's own times of day are accepted too."""
    clock_text = value.strftime("%H:%M") if hasattr(value, "strftime") and not getattr(value, "second", 0) else value
    match = _CLOCK.fullmatch(clock_text) if isinstance(clock_text, str) else None
    if match is None:
        raise OptionError(
            f"{value!r} is not a time of day", hint='Write at="03:00", or at="2026-12-24T18:00" for once.'
        )
    return f"{int(match[1]):02d}:{match[2]}"
