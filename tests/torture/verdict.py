"""What must be true when the last fault is over: nothing lost, nothing done twice, nothing left behind."""

from collections import Counter
from pathlib import Path

from tests.acceptance.fleet import Fleet
from tests.torture import shop

LEFT_BEHIND = {
    "a run that has ended and has an owner": "select id from runs where finished_at is not null and session is not null",
    "what an ended run waits for": "select run from waits where run in (select id from runs where finished_at is not null)",
    "a fact that no run accepts": "select run from inbox where run in (select id from runs where finished_at is not null)",
    "an attempt without end": (
        "select run from attempts where state = 'started' and run in (select id from runs where finished_at is not null)"
    ),
    "a partition that an ended run holds": "select * from partition_holds where run in (select id from runs where finished_at is not null)",
    "a queue that counts what has ended": "select queue, sum(n) from queue_backlogs group by queue having sum(n) <> 0",
    "two outcomes of one request": (
        "select run, ident from journal where superseded is null group by run, ident having count(*) > 1"
    ),
    "a journal with a gap": "select run from journal group by run having count(*) <> max(rank)",
    "an outcome of a later claim than its run's": (
        "select run from journal join runs on runs.id = journal.run where journal.claim > runs.claim"
    ),
    "a lock whose holder is gone": (
        "select name from locks where coalesce((select state from sessions where id = locks.session), 'dead') not in ('alive', 'draining')"
    ),
    "a lock of a run that has ended": (
        "select name from locks join runs on runs.id = split_part(locks.owner, '/', 1) where runs.finished_at is not null"
    ),
    "a slot of the future": "select schedule, slot_at from slots where slot_at > made_at + 1000",
    "a schedule that stands still": (
        "select name, next_slot_at from schedules where retired_at is null"
        " and abs(next_slot_at - (extract(epoch from clock_timestamp()) * 1000)) > 60000"
    ),
    "a slot without its run": "select schedule, slot_at from slots where verdict = 'run' and run not in (select id from runs)",
    "a run that is blamed for a death": "select id from runs where crashes > 0",
}


def unfinished(fleet: Fleet) -> list[tuple[str, str | None]]:
    """Return the runs that have not ended and do not ask a person what became of something that must not be repeated."""
    requests = "(state, coalesce(reason, '')) = ('needs_attention', 'in_doubt')"
    return fleet.rows(f"select id, state, reason from runs where finished_at is null and not {requests}")


LOST, DOUBLED = "acknowledged and lost", ("done under two keys", "repeated though it must not be", "paid twice")


SHARED = "a lock that two attempts held under one token"


def held_by_two(fleet: Fleet) -> list[int]:
    """Return the fencing tokens under which more than one attempt wrote in the till."""
    till = Path(f"{fleet.effects}.till")
    lines = [line.split(" ", 1) for line in till.read_text("ascii").splitlines()] if till.exists() else []
    holders = Counter(token for token, _ in {(token, holder) for token, holder in lines})
    return [int(token) for token, count in holders.items() if count > 1]


def list_errors(fleet: Fleet, acknowledged: list[str]) -> list[str]:
    """Return what is wrong, in words."""
    there = {run for (run,) in fleet.rows("select id from runs")}
    errors = [f"{LOST}: {run}" for run in acknowledged if run not in there]
    errors += [f"{DOUBLED[0]}: {text}" for text in fleet.doubled()]
    calls = Counter(text for _, _, text in fleet.noted())
    errors += [f"{DOUBLED[1]}: {text}" for text, n in calls.items() if n > 1 and text.startswith("bet ")]
    missing, doubled = shop.missing_and_doubled(fleet)
    errors += [f"{LOST}: payment {number}" for number in missing]
    errors += [f"{DOUBLED[2]}: payment {number}" for number in doubled]
    errors += [f"{SHARED}: {token}" for token in held_by_two(fleet)]
    errors += [f"not ended: {row}" for row in unfinished(fleet)]
    errors += [f"failed: {row}" for row in fleet.rows("select id, automation, reason from runs where state = 'failed'")]
    holding = fleet.rows("select 1 from runs where state = 'needs_attention'")
    for kind, text in LEFT_BEHIND.items():
        if "queue" in kind and holding:
            continue  # who waits for a person is still counted
        errors += [f"{kind}: {row}" for row in fleet.rows(text)]
    return errors


def repeated(fleet: Fleet) -> int:
    """Return how many effects were asked for again under their key: the world keeps them from happening twice."""
    calls = Counter((key, text) for _, key, text in fleet.noted())
    return sum(count - 1 for count in calls.values())


def report(
    fleet: Fleet,
    errors: list[str],
    reached: Counter[str],
    longest: dict[str, float],
    *,
    raged: float,
    duration_s: float,
) -> str:
    """Return what happened, and how it ended, for people."""
    ends = fleet.rows("select automation, state, count(*) from runs group by 1, 2 order by 1, 2")
    lines = [
        "",
        f"{reached.total()} faults in {raged:.0f} s; all runs had ended after {duration_s:.0f} s",
        *(f"  {name}: {count}, then at most {longest.get(name, 0.0):.1f} s" for name, count in sorted(reached.items())),
        f"  from a fault to the end of all that was open: at most {max(longest.values(), default=0.0):.1f} s",
        *(f"{automation} {state}: {count}" for automation, state, count in ends),
        f"lost: {sum(text.startswith(LOST) for text in errors)}",
        f"doubled: {sum(text.startswith(DOUBLED) for text in errors)}",
        f"otherwise wrong: {sum(not text.startswith((LOST, *DOUBLED)) for text in errors)}",
        f"repeated under their key: {repeated(fleet)}",
    ]
    return "\n".join(lines)
