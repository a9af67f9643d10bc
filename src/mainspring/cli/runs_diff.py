"""`mainspring runs diff`: what is different about this run."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from mainspring.cli import params, words
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.domain.errors import NotFoundError
from mainspring.domain.states import RunState

if TYPE_CHECKING:
    from mainspring.store.views import RunStory

_ABSENT = "(absent)"
_VALUE = 200
_FIELDS = ("state", "reason", "version", "deploy", "queue", "priority", "trigger")


class Difference(msgspec.Struct, frozen=True):
    """One place that differs; values are JSON text or "(absent)"."""

    path: str
    other: str
    this: str


@command("diff", "compare a run with another one, or with the last good one")
@click.argument("run", type=params.RUN)
@click.argument("other", type=params.RUN, required=False)
@pass_invocation
def diff(invocation: Invocation, run: str, other: str | None) -> None:
    """Compares input, steps with their results, errors, and the version and deployment that ran it.

    Without OTHER: the newest succeeded run of the same automation that was created before it.
    """
    from mainspring.store.reads.runs import story

    this = story(invocation.reader, invocation.run_id(run))
    that = story(invocation.reader, invocation.run_id(other) if other else _last_good(invocation, this))
    this, that = invocation.opened(lambda opening: (opening.story(this), opening.story(that)))
    found = differences(that, this)

    def text() -> None:
        output = invocation.output
        output.line(f"- {that.run.id}  {words.state_word(that.run.state)}")
        output.line(f"+ {this.run.id}  {words.state_word(this.run.state)}")
        for one in found:
            output.line(f"  {words.one_line(one.path)}")
            output.line(f"    {output.paint('- ' + words.one_line(one.other, _VALUE), 'red')}")
            output.line(f"    {output.paint('+ ' + words.one_line(one.this, _VALUE), 'green')}")
        if not found:
            output.line("  no difference in input, steps, results and versions")

    invocation.output.document({"other": that.run.id, "this": this.run.id, "differences": found}, text)


def _last_good(invocation: Invocation, this: "RunStory") -> str:
    from mainspring.store.reads.runs import list_runs

    page = list_runs(
        invocation.reader, states=(RunState.SUCCEEDED,), name=this.run.automation, limit=1, cursor=this.run.seq
    )
    if not page.runs:
        raise NotFoundError(
            f"no earlier run of {this.run.automation} succeeded",
            hint="Name the run to compare with: runs diff RUN OTHER",
        )
    return page.runs[0].id


def differences(other: "RunStory", this: "RunStory") -> list[Difference]:
    """Return what differs between two runs, in the order: the run, its input, its steps, its result."""
    before, after = _paths_of(other), _paths_of(this)
    paths = dict.fromkeys([*before, *after])
    return [
        Difference(path, before.get(path, _ABSENT), after.get(path, _ABSENT))
        for path in paths
        if before.get(path, _ABSENT) != after.get(path, _ABSENT)
    ]


def _paths_of(story: "RunStory") -> dict[str, str]:
    from mainspring.cli.plain import decoded

    run = story.run
    found: dict[str, str] = {name: str(getattr(run, name)) for name in _FIELDS}
    _flatten("input", decoded(run.input), found)
    for outcome in sorted(story.outcomes, key=lambda outcome: outcome.asked):
        if outcome.superseded is None:
            path = f"step {outcome.ident}"
            found[f"{path} state"] = str(outcome.state)
            if outcome.failure is not None:
                found[f"{path} error"] = outcome.failure.message
            _flatten(f"{path} result", decoded(outcome.output), found)
    _flatten("result", decoded(run.result), found)
    return found


def _flatten(path: str, value: Any, into: dict[str, str]) -> None:
    """Write each leaf of a JSON value under its path."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            _flatten(f"{path}.{key}", value[key], into)
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            _flatten(f"{path}[{place}]", item, into)
    elif value is not None:
        into[path] = msgspec.json.encode(value).decode()
