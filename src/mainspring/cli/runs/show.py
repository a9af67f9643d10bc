"""`mainspring runs show`: one run on one screen."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.runs.effect_calls import print_effect_calls
from mainspring.cli.runs.questions import print_evidence
from mainspring.domain.failures.error_location import locate_full_path
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.insight.text import formatting
from mainspring.insight.text.text_width import cut_to_width, measure_width, pad_to_width, wrap_to_width
from mainspring.insight.triggers.delivery_view import hide_event_headers, hide_secret_headers

if TYPE_CHECKING:
    from mainspring.cli.output import Output
    from mainspring.insight.effects.effect_views import RunEffect
    from mainspring.insight.runs.explanation import Explanation
    from mainspring.insight.runs.steps import StepLine, StepTry
    from mainspring.store.views import RunHistory, RunView

_VALUE_LENGTH = 300
_MAX_NAME_WIDTH = 36
"""A longer name has lines of its own above the bar."""
_NAME_LINE_WIDTH = 74
_MAX_TITLE_WIDTH = 48
_LONGEST_FLAG = 60
_MAX_LINES = 200
_LAST_LINES = 5
_STEP_COLOURS = {"succeeded": "green", "failed": "red", "running": "cyan", "retrying": "yellow", "cancelled": None}
_STEP_ICONS = {"succeeded": "✓", "failed": "✗", "running": "▶", "retrying": "↻", "cancelled": "-", "lost": "?"}


@command("show", "show a run: its steps, each attempt, what happens next")
@click.argument("run", type=params.RUN)
@click.option("--all", "whole", is_flag=True, help="print each call of a step on its own line")
@pass_invocation
def show(invocation: Invocation, run: str, *, whole: bool) -> None:
    """The length of a bar is the time that it took: solid = the attempt that counts, hollow = earlier attempts, dots = a wait."""
    from mainspring.insight.effects.stored_effects import read_run_effects

    history, explanation = read_run_history(invocation, invocation.run_id(run))
    effects = read_run_effects(invocation.reader, history.run.id)
    data = make_run_data(history, explanation) | {"effects": effects}
    invocation.output.document(data, lambda: _print(invocation, history, explanation, effects, whole=whole))


def read_run_history(invocation: Invocation, run_id: str) -> "tuple[RunHistory, Explanation]":
    """Return a run's history and its explanation. Raises NotFoundError."""
    from mainspring.insight.runs.stored_explanation import explain_run
    from mainspring.store.read.runs import run_views

    stored = run_views.run_history(invocation.reader, run_id)
    history = invocation.unseal(lambda unsealer: unsealer.run_history(stored))
    return history, explain_run(
        invocation.reader, history, invocation.clock.now(), invocation.zone, up=invocation.up_command
    )


def make_run_data(history: "RunHistory", explanation: "Explanation") -> dict[str, Any]:
    """Return the JSON document of a run."""
    from msgspec.structs import replace

    from mainspring.domain.values.plain_json import decode_value, to_plain_json
    from mainspring.insight.runs.steps import list_step_lines

    stored = history.run
    view = replace(stored, headers=hide_secret_headers(stored.headers), input=hide_event_headers(stored.input))
    run: dict[str, Any] = to_plain_json(view)
    lines = [{**to_plain_json(line), "output": decode_value(line.output)} for line in list_step_lines(history)]
    return run | {
        "step_lines": lines,
        "waits": to_plain_json(history.waits),
        "inbox": to_plain_json(history.facts),
        "rejected": to_plain_json(history.rejected),
        "children": to_plain_json(history.children),
        "started": to_plain_json(history.started),
        "stalls": to_plain_json(history.stalls),
        "losses": to_plain_json(history.losses),
        "numbers": history.numbers,
        "fingerprint": explanation.fingerprint,
        "incident": explanation.incident,
        "what": explanation.what,
        "why": explanation.why,
        "next": explanation.next,
        "can": to_plain_json(explanation.can),
        "deliveries": explanation.deliveries,
        "holds_up": to_plain_json(explanation.holds_up),
        "manual_results": to_plain_json(explanation.manual_results),
        "settlement": to_plain_json(explanation.settlement),
    }


def _print(
    invocation: Invocation,
    history: "RunHistory",
    explanation: "Explanation",
    effects: "list[RunEffect]",
    *,
    whole: bool,
) -> None:
    from mainspring.insight.runs.steps import list_step_lines
    from mainspring.store.read.short_ids import IdKind

    output, run, now = invocation.output, history.run, invocation.clock.now()
    state = output.paint(formatting.format_state(run.state), formatting.COLOURS[run.state], bold=True)
    (short,) = invocation.short_ids(IdKind.RUN, [run.id]).values()
    title = cut_to_width(formatting.escape_line(run.title or run.automation), _MAX_TITLE_WIDTH)
    output.line(f"{output.paint(title, None, bold=True)}  {short}  {state}")
    for sentence in (*explanation.what, *explanation.why):
        output.line(f"  {formatting.escape_line(sentence)}")
    print_evidence(output, history.waits)
    output.line()
    facts = list(_format_facts(history, now, invocation.zone))
    if run.failure is not None and (place := locate_full_path(run.failure.frames)):
        facts.append(("raised at", formatting.escape_line(place, _VALUE_LENGTH)))
    if explanation.fingerprint is not None:
        facts.append(
            ("error", f"{explanation.fingerprint}; all runs with it: failed list --error {explanation.fingerprint}")
        )
    if explanation.incident is not None:
        id = explanation.incident["id"]
        facts.append(("incident", f"{id} ({explanation.incident['state']}): incidents show {id}"))
    for name, value in facts:
        output.line(f"  {name:<9} {value}")
    lines = list_step_lines(history)
    if lines:
        output.line()
        _print_steps(invocation, [line for line in lines if line.superseded is None], whole=whole)
    print_effect_calls(invocation, effects)
    _print_last_lines(invocation, run)
    _print_rare_parts(invocation, history, lines)
    for sentence in explanation.next:
        output.line(f"next  {formatting.escape_line(sentence)}")
    for suggestion in explanation.can:
        output.line(f"  $ {suggestion.command}")
        output.line(f"      {suggestion.does}")


def _format_facts(history: "RunHistory", now: int, zone: str) -> Iterator[tuple[str, str]]:
    from mainspring.domain.text.phrases import format_bytes, format_numbers

    run = history.run
    yield "id", run.id
    created = (
        f"{formatting.format_instant(run.created_at, zone)} {zone} ({formatting.format_distance(run.created_at, now)})"
    )
    yield "created", f"{created} by {formatting.escape_line(run.trigger)}"
    if run.slot_at is not None:
        yield (
            "slot",
            f"{formatting.format_instant(run.slot_at, zone)} {zone} ({formatting.format_distance(run.slot_at, now)})",
        )
    if run.started_at:
        duration = formatting.format_span(max((run.finished_at or now) - run.started_at, 0))
        yield (
            "started",
            f"{formatting.format_instant(run.started_at, zone)}, {'took' if run.finished_at else 'for'} {duration}",
        )
    yield (
        "runs as",
        f"{formatting.escape_line(run.automation)} version {run.version}, queue {formatting.escape_line(run.queue)}"
        + (f", priority {run.priority}" if run.priority else ""),
    )
    keys = (("key", run.run_key), ("partition", run.partition), ("per", run.concurrency_key))
    for name, value in (*keys, ("tag", run.tag), ("parent", run.parent)):
        if value:
            yield name, formatting.escape_line(value)
    if run.output_size is not None:
        yield "put out", format_bytes(run.output_size)
    if history.numbers:
        yield "measured", format_numbers(history.numbers)
    if run.generation:
        yield "again", f"generation {run.generation}: continued from an earlier step"
    for name, data in (
        ("input", hide_event_headers(run.input)),
        ("result", run.result),
        ("state", run.published),
        ("tags", run.tags),
        ("headers", hide_secret_headers(run.headers)),
    ):
        if data is not None:
            yield name, format_value(data)


def format_value(data: bytes, limit: int = _VALUE_LENGTH) -> str:
    """Return a stored value on one line."""
    import msgspec

    from mainspring.domain.values.plain_json import decode_value
    from mainspring.domain.values.sealing import FILE_MARK, find_reference, split_sealed

    reference = find_reference(data)
    if reference is not None:
        return f"(stored by reference, {reference.blob.size:,} bytes)"
    sealed = split_sealed(data)
    if sealed is not None:
        return f"(sealed by codec {sealed.codec!r}, {len(sealed.data):,} bytes)"
    value = decode_value(data)
    if isinstance(value, dict) and value.keys() == {"base64"}:
        return f"({len(data)} bytes of another codec)"
    if FILE_MARK in data:  # without the keys of files
        data = msgspec.json.encode(value)
    return formatting.escape_line(data.decode("utf-8", "replace"), limit)


def _print_steps(invocation: Invocation, lines: "list[StepLine]", *, whole: bool) -> None:
    """Print a line for each call; many calls of one step are one line, unless all are requested."""
    from mainspring.insight.runs.step_groups import StepGroup, arrange_lines
    from mainspring.insight.runs.steps import draw_bars

    output, now, zone = invocation.output, invocation.clock.now(), invocation.zone
    arranged: list[StepLine | StepGroup] = list(lines) if whole else arrange_lines(lines, now)
    visible = arranged if whole else arranged[-_MAX_LINES:]
    single_lines = [line for line in visible if not isinstance(line, StepGroup)]
    widths = [measure_width(formatting.escape_line(line.label)) for line in single_lines]
    width = max((width for width in widths if width <= _MAX_NAME_WIDTH), default=0)
    bar_of = {id(line): bar for line, bar in zip(single_lines, draw_bars(single_lines, now), strict=True)}
    for line in visible:
        if isinstance(line, StepGroup):
            *above, name = _arrange_name(line.name)
            for part in above:
                output.line(f"  {part}")
            output.line(f"  {name} x {line.number:,}: {line.summary}")
            if line.left_out:
                output.line(f"    the first calls that did not succeed; {line.left_out:,} more: --all")
        else:
            _print_step(output, line, width, bar_of[id(line)], now)
            for attempt in line.tries:
                if attempt.failure is not None or (len(line.tries) > 1 and attempt.state != "succeeded"):
                    _print_attempt(output, attempt, zone)
    if len(visible) < len(arranged):
        output.hint(f"The last {_MAX_LINES} of {len(arranged)} lines; all of them: mainspring runs show RUN --all")
    elif len(arranged) < len(lines):
        output.hint("Each call: mainspring runs show RUN --all")
    output.line()


def _arrange_name(name: str) -> list[str]:
    """Return the lines of a name: itself, or parts of a long one with an empty last line, on which the rest follows."""
    text = formatting.escape_line(name)
    return [text] if measure_width(text) <= _MAX_NAME_WIDTH else [*wrap_to_width(text, _NAME_LINE_WIDTH), ""]


def _print_step(output: "Output", line: "StepLine", width: int, bar: str, now: int) -> None:
    icon = _STEP_ICONS.get(line.state, "!")
    colour = _STEP_COLOURS.get(line.state, "magenta")
    tries = f"  {len(line.tries)} attempts" if len(line.tries) > 1 else ""
    kind = "" if line.kind == OutcomeKind.STEP else f"  ({line.kind})"
    if line.kind in (OutcomeKind.FLAG, OutcomeKind.VERSION) and line.output is not None:
        kind = f"  ({line.kind}: {formatting.escape_line(line.output.decode(errors='replace'), _LONGEST_FLAG)})"
    done = f"  {line.progress[0]}/{line.progress[1] or '?'}" if line.progress else ""
    first, *following = _arrange_name(line.label)
    text = f"  {output.paint(icon, colour)} {pad_to_width(first, 0 if following else width)}"
    for part in following:
        output.line(text.rstrip())
        text = f"    {pad_to_width(part, width)}"
    output.line(
        f"{text}  {output.paint(bar, colour)} {formatting.format_span(line.duration_ms(now))}{tries}{done}{kind}"
    )


def _print_last_lines(invocation: Invocation, run: "RunView") -> None:
    """Print the last lines of the failed step, which readers need first."""
    from mainspring.cli.runs.log_printer import LogPrinter
    from mainspring.service.runs.log_lines import read_last_lines
    from mainspring.store.read.runs.logs import last_parts

    if run.failed_ident is None:
        return
    parts = last_parts(invocation.reader, run.id, run.failed_ident, _LAST_LINES)
    log_lines = invocation.unseal(lambda unsealer: read_last_lines(parts, unsealer, _LAST_LINES))
    if log_lines:
        invocation.output.line(f"  its last lines (all: mainspring runs logs {run.id})")
        LogPrinter(invocation.output, invocation.zone, is_of_many=False, margin="  ").print(log_lines)
        invocation.output.line()


def _print_attempt(output: "Output", attempt: "StepTry", zone: str) -> None:
    next_text = f", next {formatting.format_instant(attempt.next_at, zone)[11:]}" if attempt.next_at else ""
    output.line(
        f"      attempt {attempt.number}  {formatting.format_instant(attempt.started_at, zone)[11:]}  {attempt.state}{next_text}"
    )
    if attempt.failure is not None:
        output.line(f"        {output.paint(formatting.escape_line(attempt.failure.headline, _VALUE_LENGTH), 'red')}")
        if place := locate_full_path(attempt.failure.frames):
            output.line(f"        at {formatting.escape_line(place, _VALUE_LENGTH)}")


def _print_rare_parts(invocation: Invocation, history: "RunHistory", lines: "list[StepLine]") -> None:
    """Print the parts that few runs have: superseded steps, the difference of a drift, children, unread facts, hints."""
    from mainspring.domain.runs.journal import OutcomeKind
    from mainspring.domain.values.plain_json import decode_value
    from mainspring.insight.runs.steps import label_step
    from mainspring.insight.runs.waits import read_answer_author
    from mainspring.store.read.short_ids import IdKind

    output, run = invocation.output, history.run
    changes = run.failure.data if run.failure is not None and run.failure.code == "drift" else None
    for change in changes if isinstance(changes, list) else []:
        output.line(f"  {formatting.escape_line(change.get('path', '?'))}")
        output.line(
            f"    {output.paint('- saved ' + formatting.escape_line(change.get('was', ''), _VALUE_LENGTH), 'red')}"
        )
        output.line(
            f"    {output.paint('+ now   ' + formatting.escape_line(change.get('now', ''), _VALUE_LENGTH), 'green')}"
        )
    superseded = [line for line in lines if line.superseded is not None]
    if superseded:
        names = ", ".join(formatting.escape_line(line.label, 30) for line in superseded[:8])
        output.line(f"  superseded, still stored: {names}{', ...' if len(superseded) > 8 else ''}")
    related = [("child", row) for row in history.children[:10]] + [("started", row) for row in history.started[-10:]]
    short_ids = invocation.short_ids(IdKind.RUN, (row.id for _, row in related))
    for relation, row in related:
        state, automation = formatting.format_state(row.state), formatting.escape_line(row.automation)
        output.line(f"  {relation} {short_ids[row.id]}  {state}  {automation}")
    if history.facts:
        output.line(
            "  not processed yet: "
            f"{', '.join(formatting.escape_line(f'{fact.kind} {fact.name}', 40) for fact in history.facts[:8])}"
        )
    for given in [outcome for outcome in history.outcomes if outcome.kind is OutcomeKind.ANSWER][-8:]:
        author, note = read_answer_author(given)
        by = "" if author is None else f" by {formatting.escape_line(author, 60)}"
        text = "" if note is None else f": {formatting.escape_line(note, _VALUE_LENGTH)}"
        output.line(f"  answered {formatting.escape_line(label_step(given.ident, given.name), 60)}{by}{text}")
    for fact in history.rejected[-8:]:
        payload = "" if fact.payload is None else f": {format_value(fact.payload)}"
        output.line(f"  rejected {fact.kind} {formatting.escape_line(fact.name, 40)}{payload}")
        output.line(f"    {formatting.escape_line(fact.failure.message, _VALUE_LENGTH)}")
    detail = decode_value(run.detail)
    if isinstance(detail, dict):
        for hint in detail.get("hints") or []:
            output.line(
                f"  hint: step {formatting.escape_line(hint, _VALUE_LENGTH)} is called several times without a "
                "key, so its calls are matched by order and may be mixed up if you reorder the code. Give each "
                "call a key: run.options(key=...)"
            )
        for failure in (detail.get("unawaited") or [])[:8]:
            output.line(
                f"  hint: {formatting.escape_line(failure, _VALUE_LENGTH)}: await the task, or its failure is lost"
            )
        if detail.get("unasked"):
            names = ", ".join(formatting.escape_line(ident, 40) for ident in detail["unasked"][:8])
            output.line(f"  saved, but the current code did not request it: {names}")
