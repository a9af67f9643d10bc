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
    from mainspring.store.views import RunHistory

_POLL_INTERVAL_S = 0.2
_PAUSE_FACTOR = 10
"""Reading a long history takes at most a tenth of the time."""

_CODE_BY_STATE = {
    RunState.SUCCEEDED: exits.OK,
    RunState.FAILED: exits.RUN_FAILED,
    RunState.CANCELLED: exits.RUN_FAILED,
    RunState.NEEDS_ATTENTION: exits.NEEDS_HUMAN,
}


@command("watch", "follow a run until it ends or needs a person")
@click.argument("run", type=params.RUN)
@click.option("--timeout", metavar="SPAN", help="follow it for at most this long, then end with 7")
@pass_invocation
def watch(invocation: Invocation, run: str, timeout: str | None) -> int:
    """Ends with 0 if the run succeeded, 5 if it failed or was cancelled, 6 if it needs a person.

    If the run waits for a person, it prints the command that answers. Without a terminal the watch then ends. If no worker is running, or
    the run is blocked until you act, it prints that once on stderr and continues to watch.
    """
    return follow_run(invocation, invocation.run_id(run), timeout)


def follow_run(invocation: Invocation, run_id: str, timeout: str | None = None, *, is_worked_here: bool = False) -> int:
    """Print the progress of a run, line by line, and return the exit code. `is_worked_here` = this process works on it.

    Raises:
        WaitTimedOutError: it has not ended after `timeout`.
    """
    from mainspring.cli.runs.show import make_run_data, read_run_history
    from mainspring.domain.duration import parse_duration
    from mainspring.store.views import find_continuation

    span = None if timeout is None else parse_duration(timeout).total_seconds()
    started, progress = time.monotonic(), _ProgressPrinter(invocation)
    notice = HaltNotice(invocation, is_worked_here=is_worked_here)
    while True:
        read_at = time.monotonic()
        history, explanation = read_run_history(invocation, run_id)
        read_duration = time.monotonic() - read_at
        if not invocation.output.is_json:
            progress.print_news(history, explanation)
            invocation.output.flush()
        code = _find_end_code(invocation, history)
        successor_id = find_continuation(history.run) if code is not None else None
        if successor_id is not None:
            invocation.output.line(f"  it restarted as run {successor_id}")
            run_id, progress = successor_id, _ProgressPrinter(invocation)
            continue
        if code is not None:
            if invocation.output.is_json:
                invocation.output.json(make_run_data(history, explanation))
            else:
                progress.print_end(history, explanation)
            return code
        notice.check(run_id)
        if span is not None and time.monotonic() - started >= span:
            raise exits.WaitTimedOutError(
                f"run {run_id} is {history.run.state} after {timeout}", hint=f"See: mainspring explain {run_id}"
            )
        time.sleep(max(_POLL_INTERVAL_S, read_duration * _PAUSE_FACTOR))


def _find_end_code(invocation: Invocation, history: "RunHistory") -> int | None:
    """Return the exit code if there is nothing more to follow."""
    from mainspring.insight.runs.waits import list_open_questions

    state = history.run.state
    if state in TERMINAL_STATES or state is RunState.NEEDS_ATTENTION:
        return _CODE_BY_STATE[state]
    questions = state is RunState.WAITING and list_open_questions(history.waits, invocation.clock.now())
    return exits.NEEDS_HUMAN if questions and (not invocation.output.is_terminal or invocation.flags.no_input) else None


class _ProgressPrinter:
    """Prints the progress of a run; a step is printed again when its state changes."""

    def __init__(self, invocation: Invocation) -> None:
        self._output = invocation.output
        self._clock = invocation.clock
        self._lines: dict[tuple[str, int], tuple[str, int]] = {}
        self._waits: tuple[Any, ...] = ()

    def print_news(self, history: "RunHistory", explanation: "Explanation") -> None:
        """Print new lines."""
        from mainspring.insight.runs.steps import list_step_lines

        for line in list_step_lines(history):
            state = (line.state, len(line.tries))
            if line.superseded is None and self._lines.get((line.ident, line.generation)) != state:
                self._lines[line.ident, line.generation] = state
                self._print(line)
        waits = (history.run.waiting_for, len(history.facts)) if history.run.state is RunState.WAITING else ()
        if waits != self._waits:  # their sentences say how long ago, and differ each second
            self._waits = waits
            if not waits:
                return
            for sentence in explanation.what:
                self._output.hint(f"  {formatting.escape_line(sentence)}")
            for suggestion in explanation.can:
                if _answers_run(suggestion.command):
                    self._output.hint(f"  $ {suggestion.command}")

    def print_end(self, history: "RunHistory", explanation: "Explanation") -> None:
        """Print the last lines: the present state, and possible operations."""
        state = self._output.paint(
            formatting.format_state(history.run.state), formatting.COLOURS[history.run.state], bold=True
        )
        self._output.line(
            f"{formatting.escape_line(history.run.title or history.run.automation, 60)}  {history.run.id}  {state}"
        )
        for sentence in (*explanation.what, *explanation.why):  # the reason of a failure has its fix
            self._output.line(f"  {formatting.escape_line(sentence)}")
        for suggestion in explanation.can:
            if not _answers_run(suggestion.command):
                self._output.hint(f"  $ {suggestion.command}")

    def _print(self, line: "StepLine") -> None:
        last = line.tries[-1]
        step_text = f"{formatting.escape_line(line.label, 60)} {line.state}"
        attempts = f" at attempt {last.number}" if last.number > 1 else ""
        duration = f", {formatting.format_span(line.duration_ms(self._clock.now()))}" if last.ended_at else ""
        error = f": {formatting.escape_line(last.failure.headline, 200)}" if last.failure is not None else ""
        next_text = f", next {formatting.format_distance(last.next_at, self._clock.now())}" if last.next_at else ""
        self._output.line(f"  {step_text}{attempts}{duration}{error}{next_text}")


def _answers_run(command: str) -> bool:
    """Return whether a command gives a run its expected input."""
    return " runs answer " in command or " runs signal " in command
