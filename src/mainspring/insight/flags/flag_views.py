"""Views of flags: their rules, the questions that code asked in the last week, and the unfinished runs that hold answers."""

from collections import Counter
from enum import StrEnum
from typing import Any

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS, Flag, FlagKind, FlagSide
from mainspring.insight.flags.flag_words import describe_rules
from mainspring.store.base import StoreReader
from mainspring.store.read.flags import (
    RunOfFlag,
    count_runs_of_flag,
    find_flag,
    list_flag_uses,
    list_flags,
    list_runs_of_flag,
)
from mainspring.store.schema.flags.flag_uses import FlagUseCount

USES_MS = 7 * 86_400_000
MOST_RUNS = 20
"""Most runs that are listed; their number is exact."""


class FlagState(StrEnum):
    """Killed, one side for all keys, or a side that depends on the key."""

    KILLED = "killed"
    ON = "on"
    OFF = "off"
    SPLIT = "split"


class FlagView(msgspec.Struct, frozen=True, kw_only=True):
    """A flag. `rule` = who gets the side on, in words; `percent` = its share of all keys.

    `value` and `otherwise` are the values of the sides on and off; `otherwise` null = the default of the code. `questions` = the questions
    of the last 7 days by side (default: the flag could not answer), `last_question_at` = the last of them.
    """

    name: str
    kind: FlagKind
    state: FlagState
    rule: str
    percent: float
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    when: dict[str, tuple[str, ...]]
    value: Any
    otherwise: Any
    owner: str | None
    about: str | None
    expires_at: int | None
    killed_at: int | None
    created_at: int
    changed_at: int
    questions: dict[str, int]
    last_question_at: int | None


class FlagDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A flag with its `answers` of the last 7 days, by automation, side and reason ("" = a program outside of runs).

    `runs_on` and `runs_off` = unfinished runs that hold these sides, which a run keeps until it ends; `runs` = the first that hold on.
    """

    flag: FlagView
    answers: list[FlagUseCount]
    runs_on: int
    runs_off: int
    runs: list[RunOfFlag]


def list_flag_views(reader: StoreReader, now: int) -> list[FlagView]:
    """Return all flags, by name."""
    uses: dict[str, list[FlagUseCount]] = {}
    for use in list_flag_uses(reader, None, now - USES_MS):
        uses.setdefault(use.flag, []).append(use)
    return [_make_view(flag, uses.get(flag.name, [])) for flag in list_flags(reader)]


def read_flag_detail(reader: StoreReader, name: str, now: int) -> FlagDetail | None:
    """Return a flag with its answers and runs; None = there is no such flag."""
    flag = find_flag(reader, name)
    if flag is None:
        return None
    answers = list_flag_uses(reader, name, now - USES_MS)
    return FlagDetail(
        flag=_make_view(flag, answers),
        answers=answers,
        runs_on=count_runs_of_flag(reader, name, FlagSide.ON),
        runs_off=count_runs_of_flag(reader, name, FlagSide.OFF),
        runs=list_runs_of_flag(reader, name, FlagSide.ON, MOST_RUNS),
    )


def _make_view(flag: Flag, uses: list[FlagUseCount]) -> FlagView:
    questions: Counter[str] = Counter()
    for use in uses:
        questions[use.side.value] += use.number
    rules = flag.rules
    return FlagView(
        name=flag.name,
        kind=flag.kind,
        state=_state_of(flag),
        rule=describe_rules(flag),
        percent=rules.share * 100 / SHARE_UNITS,
        allow=rules.allow,
        deny=rules.deny,
        when=rules.attributes,
        value=msgspec.json.decode(flag.on_value),
        otherwise=None if flag.off_value is None else msgspec.json.decode(flag.off_value),
        owner=flag.owner,
        about=flag.about,
        expires_at=flag.expires_at,
        killed_at=flag.killed_at,
        created_at=flag.created_at,
        changed_at=flag.changed_at,
        questions=dict(sorted(questions.items())),
        last_question_at=max((use.last_at for use in uses), default=None),
    )


def _state_of(flag: Flag) -> FlagState:
    if flag.killed_at is not None:
        return FlagState.KILLED
    return FlagState.SPLIT if flag.uniform_side is None else FlagState(flag.uniform_side)
