"""Random trees for the simulated workflows, and an oracle that tells how each must end.

What is a race of time gives no value of its own, so that the end of every run that no one cancelled can be computed beforehand.
"""

import random
from typing import Any

from tests.simulation.workload import FORMS, Tree

HOWS = ("ok", "ok", "slow", "flaky", "flaky", "odd", "bad", "broken")
SPANS = (5, 60, 400, 3_000)
LONG = 3_600_000


class Failing(Exception):
    """The oracle's word for a step that abandons."""


def grow(dice: random.Random, size: int, number: int) -> Tree:
    """Return a random tree of about `size` leaves for run `number`."""
    if size <= 1:
        return _leaf(dice, number)
    if dice.random() < 0.08:  # a branch that fails beside one that must not be repeated
        return ["gather", [["act", "fails", "broken"], ["once", f"o{dice.randrange(99)}"]]]
    share = [grow(dice, max(1, size // 3), number) for _ in range(dice.randint(2, 3))]
    match dice.randrange(9):
        case 0:
            return ["gather", share]
        case 1:
            return ["group", share]
        case 2:
            return ["race", dice.choice(SPANS), share[0]]
        case 3:
            return ["try", ["seq", share]]
        case 4:
            return ["child", tame(share[0])]
        case 6:
            return ["tidy", ["seq", share]]
        case 5:
            return ["map", [dice.choice(("ok", "ok", "bad")) for _ in range(dice.randint(1, 6))], dice.randint(1, 3)]
        case _:
            return ["seq", share]


def _leaf(dice: random.Random, number: int) -> Tree:
    match dice.randrange(17):
        case 0:
            return ["sleep", dice.choice(SPANS)]
        case 1:
            return ["signal", dice.choice((*SPANS, LONG, LONG))]
        case 2:
            return ["event", f"ev{number}", dice.choice((*SPANS, LONG, LONG))]
        case 3:
            return ["ask", dice.choice((*SPANS, LONG, LONG))]
        case 8:
            return ["notes", f"n{dice.randrange(99)}"]
        case 9:
            return ["saves", f"c{dice.randrange(99)}"]
        case 12:
            return ["deaf", f"d{dice.randrange(99)}"]
        case 13:
            return ["start", ["act", f"a{dice.randrange(99)}", dice.choice(HOWS)]]
        case 10:
            return ["spread", f"p{dice.randrange(99)}"]
        case 4 | 7 | 11:
            return ["once", f"o{dice.randrange(99)}"]
        case 5 | 6:
            return ["undoable", f"u{dice.randrange(10**9)}"]
        case _:
            digits = dice.randrange(99)
            return ["act", f"a{digits}{'-' * 60 * (digits % 7 == 0)}", dice.choice(HOWS)]


def tame(tree: Tree) -> Tree:
    """Let no wait be long: what the world sends goes to the run above only."""
    if tree[0] in ("signal", "event"):
        return [*tree[:-1], min(tree[-1], SPANS[2])]
    return [tame(part) if isinstance(part, list) and part and isinstance(part[0], str) and part[0] in FORMS else
            [tame(branch) for branch in part] if isinstance(part, list) and part and isinstance(part[0], list) else part
            for part in tree]  # fmt: skip


def expect(tree: Tree) -> Any:
    """Return the result that a tree must give.

    Raises:
        Failing: it must fail.
    """
    form, *rest = tree
    match form:
        case "act" | "once" | "undoable" | "notes" | "saves" | "spread" | "deaf":
            if rest[-1] in ("bad", "broken"):
                raise Failing
            return rest[0]
        case "rollback":
            raise Failing
        case "map":
            return ["failed" if ending == "bad" else ending for ending in rest[0]]
        case "start":
            return "started"
        case "child" | "tidy":
            return expect(rest[0])
        case "gather" | "group" | "seq":
            return [expect(part) for part in rest[0]]
        case "try":
            try:
                return expect(rest[0])
            except Failing:
                return "mended"
    return {
        "sleep": "slept",
        "signal": "signalled",
        "event": "event",
        "ask": "asked",
        "race": "raced",
        "timed": "timed",
    }[form]


def count(tree: Tree, form: str) -> int:
    """Count the nodes of a form."""
    inner = sum(
        count(part, form) for part in tree if isinstance(part, list) and part and isinstance(part[0], str | list)
    )
    return inner + (tree[0] == form)
