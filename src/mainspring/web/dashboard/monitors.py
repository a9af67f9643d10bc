"""`/monitors`: what is watched, and what each monitor finds now; one of them with every figure by which it judges."""

from typing import Any, Literal

import msgspec

from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
from mainspring.insight.judging import figure_label, figure_text, rule_text, verdict_word
from mainspring.web.api import monitors
from mainspring.web.api.call import Call
from mainspring.web.api.monitors import MonitorLine, MonitorQuery
from mainspring.web.dashboard.page import Form, PageRoute, View, looked

_AT = "/settings"


class MonitorsLooking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which monitors: those that find something, or that cannot say, or that are on or off."""

    only: Literal["wrong", "unsure", "on", "off"] | None = None


class JudgedRow(msgspec.Struct, frozen=True):
    """One subject of a monitor, as it is exported."""

    automation: str
    fingerprint: str
    verdict: str
    said: str | None
    figures: dict[str, Any]


def show(call: Call[MonitorsLooking, Form | None]) -> View:
    """List monitors."""
    return View("Monitors", {"monitors": rows(looked(call)), "query": call.query})


def rows(call: Call[MonitorsLooking, None]) -> list[MonitorLine]:
    """Give the monitors that are meant."""
    only = call.query.only
    tests = {"wrong": lambda one: one.wrong, "unsure": lambda one: one.unsure, "on": lambda one: one.on}
    tests["off"] = lambda one: not one.on
    return [one for one in monitors.listed(call).items if only is None or tests[only](one)]


def show_one(call: Call[MonitorQuery, Form | None]) -> View:
    """Show a monitor: each figure by which it judges, and how the verdict follows."""
    found = monitors.shown(looked(call))
    now, zone = call.site.clock.now(), call.site.settings.project.timezone
    judged = [
        (
            one,
            verdict_word(one),
            [(figure_label(name), figure_text(name, value, now, zone)) for name, value in one.figures.items()],
        )
        for one in found.judged
    ]
    values = {
        "one": found,
        "judged": judged,
        "query": call.query,
        "is_always": found.name in set(FIXED_MONITORS),
        "rule": rule_text(found.rule),
    }
    return View(f"Monitor {found.name}", values)


def rows_of_one(call: Call[MonitorQuery, None]) -> list[JudgedRow]:
    """Give what it judges."""
    return [
        JudgedRow(
            automation=one.subject.automation,
            fingerprint=one.subject.fingerprint,
            verdict=verdict_word(one),
            said=one.unsure if one.finding is None else one.finding.text,
            figures=one.figures,
        )
        for one in monitors.shown(call).judged
    ]


PAGES = (
    PageRoute(
        path="/monitors",
        template="monitors.html",
        show=show,
        rows=rows,
        query=MonitorsLooking,
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
