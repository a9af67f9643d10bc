"""What a bulk act is, in words, and the command line that asks for it. Pure."""

import shlex
from typing import Any

import msgspec

from mainspring.domain.bulk import MOST, BulkVerb
from mainspring.domain.states import BulkState
from mainspring.insight.words import many, one_line, span
from mainspring.store.reads.bulk import BulkView

_FLAGS = (
    *(("state", "--state"), ("name", "--name"), ("queue", "--queue"), ("since", "--since"), ("error", "--error")),
    ("limit", "--limit"),
)
_LONGEST = 80
_BARE = 3
_HEADS = {BulkVerb.RETRY: "Retry", BulkVerb.CANCEL: "Cancel", BulkVerb.DISCARD: "Discard"}


def which_of(view: BulkView) -> dict[str, Any]:
    """Return by what its runs were chosen."""
    found: dict[str, Any] = msgspec.json.decode(view.which)
    return found


def head_of(verb: BulkVerb, which: dict[str, Any]) -> str:
    """Return a bulk act in a few words: "Retry failed runs of pay"."""
    states = " and ".join(one_line(state).replace("_", " ") for state in which.get("state") or ())
    newest = f"the newest {which['limit']:,}" if which.get("limit") else ""
    said = [_HEADS[verb], " ".join(f"{newest} {states} runs".split())]
    if which.get("name"):
        said.append(f"of {one_line(which['name'], _LONGEST)}")
    if which.get("queue"):
        said.append(f"in queue {one_line(which['queue'], _LONGEST)}")
    if which.get("error"):
        said.append(f"by error {one_line(which['error'], _LONGEST)}")
    if which.get("since"):
        said.append(f"since {one_line(which['since'], _LONGEST)}")
    return " ".join(said)


def command_of(verb: BulkVerb, which: dict[str, Any], rate: str | None) -> str:
    """Return the command line that asks for such an act; what it means has to be said there, also where it is all there is."""
    words = ["mainspring", "runs" if verb is BulkVerb.CANCEL else "failed", verb.value]
    for name, flag in _FLAGS:
        value = which.get(name)
        if name == "state" and verb is BulkVerb.DISCARD:
            continue  # it knows one state only
        for each in value if isinstance(value, list | tuple) else [value] if value else []:
            words += [flag, str(each)]
    if len(words) == _BARE:
        words += ["--limit", str(MOST)]
    if verb is not BulkVerb.CANCEL:
        words += [*(["--rate", rate] if rate else []), "--background"]
    return shlex.join(words)


def stands(view: BulkView, now: int) -> str:
    """Return how it stands, in a sentence."""
    told = f"{view.done:,} of {many(f'{view.total:,}', 'run')} done"
    if view.refused:
        told += f", {view.refused:,} refused"
    if view.state is BulkState.RUNNING:
        left = _left_ms(view, now)
        return f"{told}; {view.left:,} left{f', some {span(left)} more' if left else ''}."
    if view.state is BulkState.DONE:
        return f"{told}."
    return f"{told}; {view.left:,} left as they are."


def _left_ms(view: BulkView, now: int) -> int | None:
    """Return how long the rest takes at the pace of so far; None = nobody knows yet."""
    acted = view.total - view.left
    spent = now - view.made_at
    return None if acted < 1 or spent < 1 else spent * view.left // acted // 1_000 * 1_000 or None
