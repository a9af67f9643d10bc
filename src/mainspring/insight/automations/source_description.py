"""Description of the source of a trigger, in words."""

from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.insight.text.formatting import escape_line


def describe_source(source: TriggerSource) -> str:
    """Return the source in one line, safe for a terminal; it names secrets and contains none."""
    return escape_line(source.describe())


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
