"""What monitors say, in words."""

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.insight.incidents.findings import (
    finding_word,
    format_metric_in_zone,
    format_rule,
    label_metric,
    sort_by_problem,
)


def evaluate(name, **options):
    return Evaluation(Subject(name, IncidentKind.SILENCE), {}, **options)


def test_wrong_comes_first():
    """Then what cannot be said, then what is healthy."""
    finding = Finding(subject=Subject("c", IncidentKind.SILENCE), severity=Severity.PAGE, text="no", since_at=1)
    found = sort_by_problem([evaluate("a"), evaluate("b", unsure="too few"), evaluate("c", finding=finding)])
    assert [(finding.subject.automation, finding_word(finding)) for finding in found] == [
        ("c", "failing"),
        ("b", "unsure"),
        ("a", "healthy"),
    ]


def test_stats_are_read_by_the_unit_in_their_name():
    """Instants stand on the clock of a zone; lists are joined."""
    assert format_metric_in_zone("late_at", 0, 60_000, "UTC") == "00:00:00 (1m ago)"
    assert format_metric_in_zone("window_ms", 90_000, 0, "UTC") == "1m30s"
    assert format_metric_in_zone("missing", ["a", "b"], 0, "UTC") == "a, b"
    assert format_metric_in_zone("due_at", None, 0, "UTC") == "-"
    assert format_metric_in_zone("learning", True, 0, "UTC") == "yes"


def test_stats_and_rules_use_words_that_people_know():
    """Neither units nor underscores; names of settings stay what is written in the configuration."""
    assert [label_metric(name) for name in ("limit_share", "grace_ms", "late_at", "put_out_bytes", "ended")] == [
        "share allowed", "grace", "late", "put out", "ended",
    ]  # fmt: skip
    assert format_rule("Wrong from late_at on: due_at and grace_ms where silence= says when, below max_backlog.") == (
        "Wrong from 'late' on: 'due' and 'grace' where silence= says when, below max_backlog."
    )
