"""The dashboard for Grafana asks for nothing that is not told."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mainspring.alerting.metrics.series import MetricSnapshot, RunMetrics, StoreSpace
from mainspring.store.queue_load import TagLoad
from mainspring.store.read.automations.totals import COUNTED
from mainspring.store.read.incidents import UnsentAlerts
from mainspring.web.exposition import render_exposition
from tests.unit.web.test_exposition import session
from tests.unit.web.test_web import consumer_view, load

ROOT = Path(__file__).resolve().parents[3]
BOARD = json.loads((ROOT / "deploy" / "grafana" / "mainspring.json").read_text())
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text()
_FROM_SCRAPING = {"instance", "pod"}


def _exprs() -> list[str]:
    board = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    return board + [f"{entry['query']}" for entry in BOARD["templating"]["list"] if entry["type"] == "query"]


def _of_page() -> list[str]:
    return re.findall(r"^\| [^|`]+ \| `(.+)` \|$", PAGE.partition("## Queries")[2], re.MULTILINE)


@pytest.fixture(scope="module")
def report() -> dict[str, set[str]]:
    """Each metric that can be reported, with its labels."""
    counts = {("a", name): 1 for name in (*COUNTED, "reason:permanent_error", "ms<=2^5")}
    metrics = MetricSnapshot(
        10_000,
        RunMetrics(Counter(counts), ["a"], [("a", 1)]),
        [load("q", concurrency=8, tags={"gpu": TagLoad(3, 2.5)})],
        [msgspec.structs.replace(session("worker", 9_000), memory=1, processor=0.5)],
        [consumer_view("a/queue", None, 2_500)],
        {"a/webhook": 9_000},
        {("a/webhook", "accepted"): 3},
        StoreSpace(1, 2),
        {("page", "silence"): 1},
        [UnsentAlerts("ops", 2, 1)],
    )
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(render_exposition(metrics)):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _queried(expr: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels that an expression names."""
    metrics = set(re.findall(r"\bmainspring_\w+", expr))
    labels = set(re.findall(r"[{,](\w+)(?:=~|!=|!~|=)", expr))
    for group in re.findall(r"\b(?:by|without) \(([^)]*)\)", expr):
        labels |= {label.strip() for label in group.split(",")}
    labels |= set(re.findall(r"label_values\(\w+, (\w+)\)", expr))
    return metrics, labels - _FROM_SCRAPING


@pytest.mark.parametrize("expr", [*_exprs(), *_of_page()])
def test_each_query_uses_an_exported_metric(report, expr):
    """Each metric of an expression is reported, and has each label that is asked for."""
    metrics, labels = _queried(expr)
    assert metrics
    assert metrics <= set(report)
    assert labels <= set().union(*(report[name] for name in metrics))


def test_legends_name_labels_that_are_left():
    """What a legend shows is not summed away by its expression."""
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            labels = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
            left = re.match(r"(?:sum|max|min) by \(([^)]*)\)", target["expr"])
            assert labels <= ({label.strip() for label in left[1].split(",")} if left else set()), target


def test_board_can_be_imported():
    """Each panel has a number and a place of its own, and asks the data source that is chosen."""
    panels: list[dict[str, Any]] = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    cells = [
        (x, y)
        for p in panels
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert len(_of_page()) >= 4
