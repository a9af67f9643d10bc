"""Early signs: what is not wrong, and worth a look when there is time. Told in the digest, of a day or of a week. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mainspring.domain.monitors import pace, silence
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.words import about, many

DAY_MS = 24 * 3_600_000
_NEARLY = 0.75
_TIMES = 2


class Ended(msgspec.Struct, frozen=True):
    """Figures of one automation over the span: attempts of steps that failed, and how runs ended."""

    errors: int
    succeeded: int
    bad: int
    """Failed, or needing a person."""


class Sign(msgspec.Struct, frozen=True):
    """`label` = what kind of sign it is, the same for all of one kind."""

    label: str
    automation: str
    text: str


def early_signs(facts: Facts, ended: Mapping[str, Ended], now: int) -> tuple[Sign, ...]:
    """Return the signs at the instant `now` (ms), of each kind by automation; what is an incident already is left out.

    `ended` = the figures of the span that ends then.
    """
    wrong = {one.automation for one in facts.open}
    found = (
        *_healed(ended),
        *_slower(facts, now),
        *_never(facts, now),
        *_nearly_silent(facts, now),
        *_paused(facts, now),
        *_strangers(facts),
    )
    return tuple(one for one in found if one.automation not in wrong)


def _healed(ended: Mapping[str, Ended]) -> Iterator[Sign]:
    for name, one in sorted(ended.items()):
        if one.errors and one.succeeded and not one.bad:
            attempts = f"{many(one.errors, 'attempt')} failed"
            yield Sign("Healed by retry", name, f"{attempts}, and every run succeeded")


def _slower(facts: Facts, now: int) -> Iterator[Sign]:
    histories = {one.name: one.history for one in facts.automations}
    for judged in pace.judge_slow(facts, pace.SlowTuning(), now):
        history, took_ms = histories[judged.subject.automation], judged.figures.get("half_took_ms")
        if judged.finding is not None or history is None or took_ms is None or judged.figures.get("learning", True):
            continue
        usual_ms = 2 ** history.bucket_at(0.5)
        if took_ms > _TIMES * usual_ms:
            text = f"half of the last runs took {about(took_ms)} or more, half of all at most {about(usual_ms)}"
            yield Sign("Slower than usual", judged.subject.automation, text)


def _never(facts: Facts, now: int) -> Iterator[Sign]:
    for one in facts.expected(now):
        if one.succeeded_at is None and one.ends and now - one.announced_at >= DAY_MS:
            yield Sign(
                "Never succeeded", one.name, f"known for {about(now - one.announced_at)}, and no run has succeeded"
            )


def _nearly_silent(facts: Facts, now: int) -> Iterator[Sign]:
    for judged in silence.judge(facts, silence.SilenceTuning(), now):
        figures, late_at = judged.figures, judged.figures.get("late_at")
        if judged.finding is not None or not isinstance(late_at, int) or late_at <= now or figures.get("learning"):
            continue
        due_at, window_ms = figures.get("due_at"), figures.get("window_ms")
        is_near = due_at < now if due_at is not None else now > late_at - (1 - _NEARLY) * (window_ms or 0)
        if is_near:
            yield Sign(
                "Nearly silent",
                judged.subject.automation,
                f"without a success it is an incident in {about(late_at - now)}",
            )


def _paused(facts: Facts, now: int) -> Iterator[Sign]:
    for one in facts.automations:
        paused = one.paused_at is not None and one.retired_at is None and (one.paused_until or now + 1) > now
        if paused and now - (one.paused_at or now) >= DAY_MS:
            yield Sign(
                "Paused long", one.name, f"for {about(now - (one.paused_at or now))} by {one.paused_by or 'somebody'}"
            )


def _strangers(facts: Facts) -> Iterator[Sign]:
    for one in facts.automations:
        for sender in one.rejected_senders:
            text = f"{many(sender.number, 'request')} to {sender.trigger} carried a wrong signature (401)"
            yield Sign("Wrong signatures", one.name, text)


def by_label(signs: Iterable[Sign]) -> dict[str, list[Sign]]:
    """Return signs by their label, in the order in which they come."""
    found: dict[str, list[Sign]] = {}
    for one in signs:
        found.setdefault(one.label, []).append(one)
    return found
