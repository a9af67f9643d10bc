"""The templates of pages: what a process has compiled serves all of its environments."""

from zoneinfo import ZoneInfo

from jinja2 import Environment

from mainspring.domain.clock import SystemClock
from mainspring.web.pages.template_environment import build_environment


def test_template_is_compiled_once_in_a_process(monkeypatch):
    """A web process has an environment for its pages and one for those behind a link, with the same frame."""
    first = build_environment(ZoneInfo("UTC"), SystemClock()).get_template("frame.html")
    monkeypatch.setattr(Environment, "compile", None)
    other = build_environment(ZoneInfo("Europe/Berlin"), SystemClock()).get_template("frame.html")
    assert other is not first
    assert other.environment is not first.environment
    assert [*other.blocks] == [*first.blocks] != []
