"""`/monitors`: what is watched, and what each monitor finds now; one of them with every figure by which it judges."""

from typing import Any, Literal

import msgspec

from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
from mainspring.insight.incidents.findings import finding_word, format_figure_in_zone, format_rule, label_figure
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import monitors
from mainspring.web.api.endpoints.monitors import MonitorLine, MonitorQuery
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call

_AT = "/settings"


class MonitorsPageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which monitors: those that find something, or that cannot say, or that are on or off."""

    only: Literal["wrong", "unsure", "on", "off"] | None = None


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
    """Give the monitors that are meant."""
    only = call.query.only
    tests = {"wrong": lambda one: one.wrong, "unsure": lambda one: one.unsure, "on": lambda one: one.on}
    tests["off"] = lambda one: not one.on
    return [one for one in monitors.list_monitors(call).items if only is None or tests[only](one)]


def show_one(call: ApiCall[MonitorQuery, Form | None]) -> PageView:
    """Show a monitor: each figure by which it judges, and how the verdict follows."""
    found = monitors.show_monitor(api_call(call))
    now, zone = call.site.clock.now(), call.site.settings.project.timezone
    judged = [
        (
            one,
            finding_word(one),
            [
                (label_figure(name), format_figure_in_zone(name, value, now, zone))
                for name, value in one.figures.items()
            ],
        )
        for one in found.judged
    ]
    values = {
        "one": found,
        "judged": judged,
        "query": call.query,
        "is_always": found.name in set(FIXED_MONITORS),
        "rule": format_rule(found.rule),
    }
    return PageView(f"Monitor {found.name}", values)


def rows_of_one(call: ApiCall[MonitorQuery, None]) -> list[FindingRow]:
    """Give what it judges."""
    return [
        FindingRow(
            automation=one.subject.automation,
            fingerprint=one.subject.fingerprint,
            verdict=finding_word(one),
            said=one.unsure if one.finding is None else one.finding.text,
            figures=one.figures,
        )
        for one in monitors.show_monitor(call).judged
    ]


PAGES = (
    PageRoute(
        path="/monitors",
        template="monitors.html",
        show=show,
        rows=rows,
        query=MonitorsPageQuery,
        whole=True,
        nouns=("incidents",),
        at=_AT,
    ),
    PageRoute(
        path="/monitors/{monitor}",
        template="monitor.html",
        show=show_one,
        rows=rows_of_one,
        query=MonitorQuery,
        whole=True,
        nouns=("incidents",),
        at=_AT,
    ),
)
