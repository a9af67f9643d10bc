"""`mainspring runs watch`: follow one run."""

import time
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.runs.halt_notice import HaltNotice
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.runs.explanation import Explanation
    from mainspring.insight.runs.steps import StepLine
    from mainspring.store.views import RunStory

_POLL_INTERVAL_S = 0.2
_PAUSE_FACTOR = 10
"""Reading a long story may take a tenth of the time, no more."""

_CODE_BY_STATE = {
    RunState.SUCCEEDED: exits.OK,
    RunState.FAILED: exits.RUN_FAILED,
    RunState.CANCELLED: exits.RUN_FAILED,
    RunState.NEEDS_ATTENTION: exits.NEEDS_HUMAN,
}


@command("watch", "follow a run until it ends or needs a person")
@click.argument("run", type=params.RUN)
@click.option("--timeout", metavar="SPAN", help="follow it so long at most, then end with 7")
@pass_invocation
def watch(invocation: Invocation, run: str, timeout: str | None) -> int:
    """Ends with 0 if it succeeded, 5 if it failed or was cancelled, 6 if it needs a person.

    What it waits for from a person is shown with the command that gives it; without a terminal that ends the watch, too. If no worker is
    running, or something else halts the run until you act, it says so once on stderr and waits on.
    """
    return follow_run(invocation, invocation.run_id(run), timeout)


def follow_run(invocation: Invocation, run: str, timeout: str | None = None, *, is_worked_here: bool = False) -> int:
    """Print what becomes of a run, line by line, and return the exit code. `is_worked_here` = this process works on it.

    Raises:
        WaitTimedOutError: it still goes on after `timeout`.
    """
    from mainspring.app.handle import find_continuation
    from mainspring.cli.runs.show import make_story_data, read_story
    from mainspring.domain.duration import parse_duration

    span = None if timeout is None else parse_duration(timeout).total_seconds()
    began, seen = time.monotonic(), _ProgressPrinter(invocation)
    notice = HaltNotice(invocation, is_worked_here=is_worked_here)
    while True:
        before = time.monotonic()
        story, explanation = read_story(invocation, run)
        took = time.monotonic() - before
        if not invocation.output.is_json:
            seen.show(story, explanation)
            invocation.output.flush()
        code = _find_end_code(invocation, story)
        heir = find_continuation(story.run) if code is not None else None
        if heir is not None:
            invocation.output.line(f"  it began anew as run {heir}")
            run, seen = heir, _ProgressPrinter(invocation)
            continue
        if code is not None:
            if invocation.output.is_json:
                invocation.output.json(make_story_data(story, explanation))
            else:
                seen.end(story, explanation)
            return code
        notice.check(run)
        if span is not None and time.monotonic() - began >= span:
            raise exits.WaitTimedOutError(
                f"run {run} is {story.run.state} after {timeout}", hint=f"See: mainspring explain {run}"
            )
        time.sleep(max(_POLL_INTERVAL_S, took * _PAUSE_FACTOR))


def _find_end_code(invocation: Invocation, story: "RunStory") -> int | None:
    """Return the exit code if there is nothing more to follow."""
    from mainspring.insight.runs.waits import list_open_questions

    state = story.run.state
    if state in TERMINAL_STATES or state is RunState.NEEDS_ATTENTION:
        return _CODE_BY_STATE[state]
    asks = state is RunState.WAITING and list_open_questions(story.waits, invocation.clock.now())
    return exits.NEEDS_HUMAN if asks and (not invocation.output.is_terminal or invocation.flags.no_input) else None


class _ProgressPrinter:
    """What was printed already: a line of the picture is printed again when its state changed."""

    def __init__(self, invocation: Invocation) -> None:
        self._output = invocation.output
        self._clock = invocation.clock
        self._lines: dict[tuple[str, int], tuple[str, int]] = {}
        self._waits: tuple[Any, ...] = ()

    def show(self, story: "RunStory", explanation: "Explanation") -> None:
        """Print what is new."""
        from mainspring.insight.runs.steps import list_step_lines

        for line in list_step_lines(story):
            state = (line.state, len(line.tries))
            if line.superseded is None and self._lines.get((line.ident, line.generation)) != state:
                self._lines[line.ident, line.generation] = state
                self._print(line)
        waits = (story.run.waiting_for, len(story.facts)) if story.run.state is RunState.WAITING else ()
        if waits != self._waits:  # their sentences say how long ago, and differ each second
            self._waits = waits
            if not waits:
                return
            for sentence in explanation.what:
                self._output.hint(f"  {formatting.escape_line(sentence)}")
            for one in explanation.can:
                if _feeds_run(one.command):
                    self._output.hint(f"  $ {one.command}")

    def end(self, story: "RunStory", explanation: "Explanation") -> None:
        """Print the last lines: how it stands now, and what can be done."""
        state = self._output.paint(
            formatting.format_state(story.run.state), formatting.COLOURS[story.run.state], bold=True
        )
        self._output.line(
            f"{formatting.escape_line(story.run.title or story.run.automation, 60)}  {story.run.id}  {state}"
        )
        for sentence in explanation.what:
            self._output.line(f"  {formatting.escape_line(sentence)}")
        for one in explanation.can:
            if not _feeds_run(one.command):
                self._output.hint(f"  $ {one.command}")

    def _print(self, line: "StepLine") -> None:
        last = line.tries[-1]
        what = f"{formatting.escape_line(line.label, 60)} {line.state}"
        tries = f" at attempt {last.number}" if last.number > 1 else ""
        took = f", {formatting.format_span(line.took(self._clock.now()))}" if last.ended_at else ""
        error = f": {formatting.escape_line(last.failure.headline, 200)}" if last.failure is not None else ""
        again = f", next {formatting.format_distance(last.next_at, self._clock.now())}" if last.next_at else ""
        self._output.line(f"  {what}{tries}{took}{error}{again}")


def _feeds_run(command: str) -> bool:
    """Whether a command gives a run what it waits for."""
    return " runs answer " in command or " runs signal " in command
