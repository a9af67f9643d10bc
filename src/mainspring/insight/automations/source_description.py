"""Description of the source of a trigger, in words."""

from mainspring.domain.states import RunState
from mainspring.domain.triggers.event_sources import END_STATES, EventSource, JoinedRunsSource, RunEndSource
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.values.canonical_json import encode_canonical
from mainspring.insight.text.formatting import escape_line, format_span


def describe_source(source: object) -> str:
    """Return the source in one line, safe for a terminal; it names secrets and contains none."""
    match source:
        case Webhook(path=path):
            return escape_line(f"webhook {path}")
        case BrokerQueue():
            return escape_line(f"queue {source.shown}")
        case WatchedFolder(folder=folder, pattern=pattern):
            return escape_line(f"files {pattern} in {folder}")
        case EventSource(name=name, where=where):
            return escape_line(f"event {name}{_describe_filter(where)}")
        case RunEndSource(automation=name, states=states):
            return escape_line(f"a run of {name} that {_describe_states(states)}")
        case JoinedRunsSource(automations=names, states=states, per=per, within=within):
            listed = f"{', '.join(names[:-1])} and {names[-1]}"
            return escape_line(
                f"runs of {listed} that {_describe_states(states)}, for one {per}, within {format_span(within)}"
            )
        case _:
            return escape_line(str(source))


def describe_given(trigger: Trigger | None) -> str:
    """Return what a run receives of an event, after the name of its automation; "" = nothing."""
    if trigger is None:
        return ""
    many = " of each, as a list" if trigger.reading.many else ""
    match trigger.reading.how:
        case "nothing":
            return ""
        case "event":
            return f" with the whole event{many} as {trigger.reading.parameter}"
        case "stdin":
            return f" with the whole event{many} as JSON on its standard input"
        case "data":
            return f" with the data{many} as {trigger.reading.parameter}"
        case "fields":
            return f" with the fields {', '.join(trigger.reading.names)} of the data"


def _describe_filter(where: dict[str, object]) -> str:
    parts = [f"{path} = {encode_canonical(value, 'where', None).decode()}" for path, value in where.items()]
    return f" where {' and '.join(parts)}" if parts else ""


def _describe_states(states: tuple[str, ...]) -> str:
    if states == END_STATES:
        return "ended"
    words = ["succeeded" if state == RunState.SUCCEEDED else f"ended {state}" for state in states]
    return " or ".join(words)
