"""Flag stale: a flag decides nothing any more, because all keys have had the same side, or no code has asked for it, for a long time."""

import shlex
from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.flag_inputs import WatchedFlag, describe_owner, describe_users
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_subject
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span


class FlagStaleTuning(Tuning, frozen=True, kw_only=True):
    """`unchanged`: how long all keys may have the same side; `unused`: how long no code may ask for a flag."""

    unchanged: TuningSpan = timedelta(days=30)
    unused: TuningSpan = timedelta(days=30)


def evaluate(facts: MonitorInputs, tuning: FlagStaleTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each flag. One that no code asks for can be deleted at once, so that counts first."""
    for watched in facts.flags:
        yield _evaluate_flag(watched, tuning, now_at)


def _evaluate_flag(watched: WatchedFlag, tuning: FlagStaleTuning, now_at: int) -> Evaluation:
    flag, side = watched.flag, watched.flag.uniform_side
    unused_ms, unchanged_ms = to_ms(tuning.unused), to_ms(tuning.unchanged)
    unused_at = max(flag.created_at, watched.last_question_at or 0) + unused_ms
    uniform_at = None if side is None else flag.changed_at + unchanged_ms
    word, owner, since_at = shlex.quote(flag.name), describe_owner(flag), None
    text, hint = "", f"If the code does not need it any more: mainspring flags delete {word}"
    if unused_at <= now_at:
        since_at, text = unused_at, f"no code has asked for flag {flag.name} for {format_span(unused_ms)} {owner}"
    elif side is not None and uniform_at is not None and uniform_at <= now_at:
        since_at = uniform_at
        code = f": {describe_users(watched.users)}" if watched.users else ""
        text = f"flag {flag.name} has been {side} for all keys for {format_span(unchanged_ms)} {owner}"
        hint = f"Write the value of {side} into the code that asks for it{code}. Then: mainspring flags delete {word}"
    metrics = {
        "side": side,
        "changed_at": flag.changed_at,
        "last_question_at": watched.last_question_at,
        "owner": flag.owner,
    }
    subject = Subject("", IncidentKind.FLAG_STALE, flag.name)
    users = [user or "a program" for user in watched.users]
    return evaluate_subject(subject, Severity.DIGEST, {**metrics, "users": users}, since_at, text, hint=hint)


MONITOR = Monitor(
    kind=IncidentKind.FLAG_STALE,
    line="A flag decides nothing any more.",
    rule="With severity digest: open while no code has asked for it for 30 d, or all keys have had one side for 30 d without a change.",
    tuning=FlagStaleTuning(),
    evaluate=evaluate,
    of_automations=False,
)
