"""Waits of a run, in sentences without secrets, and the commands that end them."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from mainspring.domain.runs.journal import Fact, FactKind, Outcome
from mainspring.domain.runs.question import FORM, UNNAMED, choose_name, read_given_answer
from mainspring.domain.time.clock_step import RunClockSteps
from mainspring.domain.values.form_schema import format_form_options, list_form_labels
from mainspring.insight.runs.suggested_commands import ANSWER, RETRY, SIGNAL, UPDATE, SuggestedCommand
from mainspring.insight.text.formatting import escape_line, format_distance, shell_word
from mainspring.insight.text.hidden_values import hide_in_data
from mainspring.store.views import RunHistory, WaitView

_REJECTED = 5
_OFFERED = 10
"""Most choices of a question that get a command."""
_LONGEST_EVIDENCE = 4_000
_LONGEST_EVIDENCE_LINE, _EVIDENCE_LINES = 300, 20
_WITH_END = frozenset({"answer", "signal", "event"})
_WORDS = {
    "retry": "the next attempt of step",
    "answer": "the answer to",
    "child": "the run of",
    "step": "step",
    "undo": "the undo",
}


def list_open_questions(waits: Iterable[WaitView], now: int) -> list[WaitView]:
    """Return the questions that a person may answer now: an answer counts only before the end of its time."""
    return [wait for wait in waits if wait.kind == "ask" and not wait.filled and not _is_over(wait.until_at, now)]


def has_many_questions(waits: Iterable[WaitView]) -> bool:
    """Whether an answer must name its question, because more than one is open."""
    return sum(wait.kind == "ask" and not wait.filled for wait in waits) > 1


def name_question(wait: WaitView, waits: Iterable[WaitView]) -> str:
    """Return by what an answer names a question: its name if no other open one of its run has it, else its identity."""
    return choose_name(
        wait.ident, wait.name, (other.name for other in waits if other.run == wait.run and not other.filled)
    )


def read_form(wait: WaitView) -> dict[str, Any] | None:
    """Return the schema of the form of a question; None = it has none, or is sealed."""
    schema = read_question(wait).get(FORM)
    return schema if isinstance(schema, dict) else None


def _is_over(until_at: Any, now: int) -> bool:
    return isinstance(until_at, int) and until_at <= now


def ask_text(wait: WaitView, name: str | None = None) -> tuple[str, list[str]]:
    """Return an open question as a sentence, and the commands that answer it, one for each choice.

    `name` = by which they name the question, if its run has several.
    """
    sentence = f"It asks: {format_question(read_question(wait))}"
    return sentence, [_build_answer_command(wait, choice, name) for choice in _answer_commands(wait)]


def answer_command(wait: WaitView, name: str | None = None) -> str:
    """Return the command that answers a question; for several choices the one that prints a command for each.

    `name` = by which it names the question, if its run has several.
    """
    offered = _answer_commands(wait)
    return f"mainspring explain {wait.run}" if len(offered) > 1 else _build_answer_command(wait, offered[0], name)


def name_if_many(wait: WaitView, waits: Iterable[WaitView]) -> str | None:
    """Return by what a command names a question among these of its run; None if it is the only one and has no name of its own.

    A list may be filtered, so a question with a name is named in any case.
    """
    listed = list(waits)
    is_named = wait.name not in (UNNAMED, wait.ident)
    return name_question(wait, listed) if is_named or has_many_questions(listed) else None


def _answer_commands(wait: WaitView) -> list[str]:
    return list_choices(wait)[:_OFFERED] or ["TEXT"]


def _build_answer_command(wait: WaitView, choice: str, name: str | None) -> str:
    """Return the command that gives one answer; it names the question if its run has several.

    Text of a run is quoted as one word, so that the shell of a person who pastes the line executes nothing of it.
    """
    named = "" if name is None else f" --question {shell_word(name)}"
    schema = read_form(wait)
    if schema is not None:
        return f"mainspring runs answer {wait.run}{named} {format_form_options(schema)}"
    word = shell_word(choice)
    return f"mainspring runs answer {wait.run}" + (
        f"{named} -- {word}" if choice.startswith("-") else f" {word}{named}"
    )


def read_question(wait: WaitView) -> dict[str, Any]:
    """Return the text, choices and default of a question; empty if it is sealed or there is none.

    Its text has no secret in it; its choices are exact.
    """
    found = _decode(wait.question)
    if not isinstance(found, dict):
        return {}
    return found | {"text": hide_in_data(found["text"])} if "text" in found else found


def read_evidence(wait: WaitView) -> Any:
    """Return what a question shows to the people who answer it, as JSON without secrets; None = nothing, or sealed."""
    return hide_in_data(read_question(wait).get("evidence"))


def split_evidence(wait: WaitView) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the evidence of a question as names with short values if it is that, else as text."""
    value = read_evidence(wait)
    if value is None:
        return (), ""
    if isinstance(value, dict) and value and all(isinstance(item, str | int | float | bool) for item in value.values()):
        return tuple((str(name), str(item)) for name, item in value.items()), ""
    text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    return (), text if len(text) <= _LONGEST_EVIDENCE else f"{text[:_LONGEST_EVIDENCE]}…"


def list_evidence_lines(wait: WaitView) -> list[str]:
    """Return the evidence of a question as lines for a terminal."""
    facts, text = split_evidence(wait)
    lines = [f"{name}: {value}" for name, value in facts] or text.splitlines()
    cut = [
        " " * (len(line) - len(line.lstrip(" "))) + escape_line(line, _LONGEST_EVIDENCE_LINE)
        for line in lines[:_EVIDENCE_LINES]
    ]
    return cut if len(lines) <= _EVIDENCE_LINES else [*cut, f"and {len(lines) - _EVIDENCE_LINES} more lines"]


def list_choices(wait: WaitView) -> list[str]:
    """Return the possible answers; empty = any text."""
    return [str(choice) for choice in read_question(wait).get("choices") or []]


def default_choice(wait: WaitView) -> str | None:
    """Return the choice that applies if no one answers in time; None = the run fails then."""
    default = read_question(wait).get("otherwise")
    text = default if isinstance(default, str) else msgspec.json.encode(hide_in_data(default)).decode()
    return None if default is None else escape_line(text, 40)


def read_answer_author(outcome: Outcome) -> tuple[str | None, str | None]:
    """Return the author of an answer and the note, without secrets; None = not stored, or sealed."""
    try:
        given = read_given_answer(outcome)
    except msgspec.DecodeError:
        return None, None
    return given.by, None if given.note is None else str(hide_in_data(given.note))


def list_waits(history: RunHistory) -> list[dict[str, Any]]:
    """Return the waits that the run had when it was suspended: kind, name, ident, until_at (ms or None) of each."""
    data = _decode(history.run.waiting_for)
    found = [wait for wait in data if isinstance(wait, dict)] if isinstance(data, list) else []
    instants = [at for wait in found if isinstance(at := wait.get("until_at"), int)]
    due_at = history.run.due_at
    if not history.run.clock_steps or not instants or due_at is None:
        return found
    moved_ms = due_at - min(instants)
    if moved_ms not in RunClockSteps(history.run.clock_steps).sums:
        return found
    return [wait | {"until_at": wait["until_at"] + moved_ms} if wait.get("until_at") else wait for wait in found]


def describe_waits(history: RunHistory, now: int, at: Callable[[int], str]) -> list[str]:
    """Return a sentence for each wait of the run; `at` formats an instant."""
    questions = {wait.ident: _decode(wait.question) for wait in history.waits}
    found = []
    for wait in list_waits(history):
        until_at = wait.get("until_at")
        end = at(until_at) if until_at else ""
        until = f", until {end}" if end else ""
        name, kind = escape_line(wait.get("name", ""), 80), str(wait.get("kind", ""))
        question = questions.get(str(wait.get("ident")))
        if any(_answers(fact, wait) for fact in history.facts):
            found.append(
                f"It has {_WORDS.get(kind, escape_line(kind))} {name}, which arrived and is not processed yet."
            )
        elif kind in _WITH_END and _is_over(until_at, now):
            text = format_question(question) if isinstance(question, dict) else name
            found.append(
                f"The time for {_WORDS.get(kind, escape_line(kind))} {text} ended at {end}: later arrivals do not "
                "count."
            )
        elif isinstance(question, dict):
            found.append(f"It asks: {format_question(question)}{until}.")
        elif kind == "timer":
            found.append(f"It sleeps{until}.")
        elif kind == "update":
            found.append(f"It receives update {name}.")
        else:
            found.append(f"It waits for {_WORDS.get(kind, escape_line(kind))} {name}{until}.")
    handled = {wait.get("name") for wait in list_waits(history) if wait.get("kind") == "update"}
    unknown = {fact.name for fact in history.facts if fact.kind is FactKind.UPDATE} - handled
    return [
        *found,
        *(
            f"Update {escape_line(name, 80)} waits: the run has no handler of this name now."
            for name in sorted(unknown)
        ),
    ]


def _answers(fact: Fact, wait: dict[str, Any]) -> bool:
    """Whether a fact in the inbox ends a wait."""
    if fact.ident is not None:
        return fact.ident == wait.get("ident")
    if _is_over(wait.get("until_at"), fact.at):
        return False
    return fact.kind == wait.get("kind") and fact.name == wait.get("name")


def format_question(question: dict[str, Any]) -> str:
    """Return a question with its choices."""
    offered = list_form_labels(question.get(FORM) or {}) or question.get("choices") or []
    choices = [escape_line(str(choice), 40) for choice in offered]
    listed = f" [{', '.join(choices)}]" if choices else ""
    return f"{escape_line(hide_in_data(question.get('text', '')), 200)}{listed}"


def list_wait_commands(history: RunHistory, now: int) -> list[SuggestedCommand]:
    """Return what a person can send to the run."""
    run = history.run.id
    found: list[SuggestedCommand] = []
    for wait in list_open_questions(history.waits, now):
        named = name_if_many(wait, history.waits)
        about = "answer it" if named is None else f"answer: {format_question(read_question(wait))}"
        offered = list_choices(wait)[:_OFFERED]
        for choice in offered:
            body = {"question": wait.ident, "choice": choice}
            does = about if len(offered) == 1 else f"{about}: {escape_line(choice, 40)}"
            found.append(SuggestedCommand(_build_answer_command(wait, choice, named), does, ANSWER, body))
        if not offered:
            line = _build_answer_command(wait, "TEXT", named)
            found.append(SuggestedCommand(line, about, ANSWER, {"question": wait.ident}))
    signals = (
        wait for wait in list_waits(history) if wait.get("kind") == "signal" and not _is_over(wait.get("until_at"), now)
    )
    names = dict.fromkeys(str(wait["name"]) for wait in signals)
    for name in names:
        line = f"mainspring runs signal {run} {shell_word(name)} JSON"
        found.append(SuggestedCommand(line, "send it", SIGNAL, {"name": name}))
    for received in list_waits(history):
        if received.get("kind") == "update":
            name = str(received["name"])
            line = f"mainspring runs update {run} {shell_word(name)} JSON"
            found.append(SuggestedCommand(line, "send it, and print the reply", UPDATE, {"name": name}))
    return found


def describe_rejected(history: RunHistory, now: int) -> list[str]:
    """Return a sentence for each signal and event that the run could not read."""
    more = len(history.rejected) - _REJECTED
    found = [
        f"It rejected {fact.kind} {escape_line(fact.name, 80)} {format_distance(fact.rejected_at, now)}, which its code cannot read:"
        f" {escape_line(hide_in_data(fact.failure.message), 300)}"
        for fact in history.rejected[-_REJECTED:]
    ]
    return [*found, f"It rejected {more} more before."] if more > 0 else found


def rejected_commands(history: RunHistory) -> list[SuggestedCommand]:
    """Return what a person can do about what the run could not read."""
    if not history.rejected or history.run.finished_at is not None:
        return []
    run = history.run.id
    signals = {fact.name for fact in history.rejected if fact.kind is FactKind.SIGNAL}
    awaited = {str(wait.get("name")) for wait in list_waits(history) if wait.get("kind") == "signal"}
    return [
        *(
            SuggestedCommand(
                f"mainspring runs signal {run} {shell_word(name)} JSON",
                "send a valid one",
                SIGNAL,
                {"name": name},
            )
            for name in sorted(signals - awaited)
        ),
        SuggestedCommand(f"mainspring runs retry {run}", "read again what it rejected, after the code can", RETRY),
        SuggestedCommand(
            f"mainspring runs retry {run} --discard-rejected",
            "drop what it rejected",
            RETRY,
            {"discard_rejected": True},
        ),
    ]


def _decode(data: bytes | None) -> Any:
    try:
        return None if data is None else msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
