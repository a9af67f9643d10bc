"""`/monitors`: monitors and their findings; one of them with its inputs."""

from typing import Any, Literal

import msgspec

from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
from mainspring.insight.incidents.findings import finding_word, format_metric_in_zone, format_rule, label_metric
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import monitors
from mainspring.web.api.endpoints.monitors import MonitorLine, MonitorQuery
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call

_AT = "/settings"


class MonitorsPageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filter of monitors: with findings, undecided, on or off."""

    only: Literal["failing", "unsure", "on", "off"] | None = None


class FindingRow(msgspec.Struct, frozen=True):
    """One subject of a monitor, as it is exported."""

    automation: str
    fingerprint: str
    verdict: str
    said: str | None
    figures: dict[str, Any]


def show(call: ApiCall[MonitorsPageQuery, Form | None]) -> PageView:
    """List monitors."""
    return PageView("Monitors", {"monitors": rows(api_call(call)), "query": call.query})


def rows(call: ApiCall[MonitorsPageQuery, None]) -> list[MonitorLine]:
    """Export the matching monitors."""
    only = call.query.only
    tests = {"failing": lambda line: line.failing, "unsure": lambda line: line.unsure, "on": lambda line: line.on}
    tests["off"] = lambda line: not line.on
    return [line for line in monitors.list_monitors(call).items if only is None or tests[only](line)]


def show_one(call: ApiCall[MonitorQuery, Form | None]) -> PageView:
    """Show a monitor: each input of its evaluation, and the result."""
    monitor = monitors.show_monitor(api_call(call))
    now, zone = call.site.clock.now(), call.site.settings.project.timezone
    evaluations = [
        (
            evaluation,
            finding_word(evaluation),
            [
                (label_metric(name), format_metric_in_zone(name, value, now, zone))
                for name, value in evaluation.figures.items()
            ],
        )
        for evaluation in monitor.judged
    ]
    values = {
        "monitor": monitor,
        "evaluations": evaluations,
        "query": call.query,
        "is_always": monitor.name in set(FIXED_MONITORS),
        "rule": format_rule(monitor.rule),
    }
    return PageView(f"Monitor {monitor.name}", values)


def rows_of_one(call: ApiCall[MonitorQuery, None]) -> list[FindingRow]:
    """Export its evaluations."""
    return [
        FindingRow(
            automation=evaluation.subject.automation,
            fingerprint=evaluation.subject.fingerprint,
            verdict=finding_word(evaluation),
            said=evaluation.unsure if evaluation.finding is None else evaluation.finding.text,
            figures=evaluation.figures,
        )
        for evaluation in monitors.show_monitor(call).judged
    ]


PAGES = (
    PageRoute(
        path="/monitors",
        template="incidents/monitors.html",
        show=show,
        rows=rows,
        query=MonitorsPageQuery,
        whole=True,
        nouns=("incidents",),
        at=_AT,
    ),
    PageRoute(
        path="/monitors/{monitor}",
        template="incidents/monitor.html",
        show=show_one,
        rows=rows_of_one,
        query=MonitorQuery,
        whole=True,
        nouns=("incidents",),
        at=_AT,
    ),
)
