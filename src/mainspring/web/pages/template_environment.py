"""The environment of templates: filters for instants, spans, numbers, names in paths and states, and links to the page itself."""

import re
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined, select_autoescape
from jinja2.bccache import Bucket
from markupsafe import Markup, escape
from starlette.requests import Request

from mainspring.domain.access.permissions import Role, Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.failures.failure import shorten_headline
from mainspring.domain.text.escaping import escape as escape_text
from mainspring.domain.text.phrases import format_bytes as format_size
from mainspring.domain.values.plain_json import format_iso
from mainspring.insight.text.formatting import (
    escape_line,
    format_bytes,
    format_core_share,
    format_distance,
    format_instant,
    format_share,
    format_span,
)
from mainspring.web.pages.status_icons import state_icon, state_tone
from mainspring.web.server.path_table import path_segment

_DIRECTION_MARKS = re.compile("[\u061c\u200e\u200f\u2028\u2029\ufff9-\ufffb]")


class NavigationEntry(NamedTuple):
    """One link. `key` follows "g"; `whole` = only for visitors who see all automations, `acts` = only for operators."""

    path: str
    text: str
    key: str
    whole: bool = False
    acts: bool = False

    def is_for(self, visitor: Visitor) -> bool:
        """Return whether a visitor sees it."""
        return (visitor.is_for_all or not self.whole) and (visitor.may(Role.OPERATOR) or not self.acts)


MAIN_ENTRIES: Final = (
    NavigationEntry("/", "Now", "n"),
    NavigationEntry("/incidents", "Incidents", "i"),
    NavigationEntry("/automations", "Automations", "a"),
    NavigationEntry("/runs", "Runs", "r"),
    NavigationEntry("/failed", "Failed", "f"),
    NavigationEntry("/waiting", "Waiting", "w"),
    NavigationEntry("/schedule", "Schedule", "s"),
)
MORE_ENTRIES: Final = (
    NavigationEntry("/triggers", "Triggers", "t"),
    NavigationEntry("/rollouts", "Rollouts", "v"),
    NavigationEntry("/events", "Events", "e", whole=True),
    NavigationEntry("/workers", "Workers", "k", whole=True),
    NavigationEntry("/queues", "Queues", "q", whole=True),
    NavigationEntry("/locks", "Locks", "l", whole=True),
    NavigationEntry("/flags", "Flags", "o", whole=True),
    NavigationEntry("/effects", "Effects", "x", whole=True),
    NavigationEntry("/secrets", "Secrets", "y", whole=True, acts=True),
    NavigationEntry("/targets", "Targets", "g", whole=True),
    NavigationEntry("/handover", "Handover", "h"),
    NavigationEntry("/audit-log", "Audit log", "u", whole=True, acts=True),
    NavigationEntry("/settings", "Settings", "c", whole=True),
)


class TemplateCodeCache(BytecodeCache):
    """A cache of compiled templates, shared by all environments of the process: to compile one takes 50 ms."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Put the code of a template into its bucket, if it is cached."""
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Cache the code of a template."""
        if bucket.code is not None:
            self._code[bucket.key, bucket.checksum] = bucket.code


_COMPILED_TEMPLATES = TemplateCodeCache()


def build_environment(zone: ZoneInfo, clock: Clock) -> Environment:
    """Return the environment for the templates of all pages."""
    environment = Environment(
        loader=PackageLoader("mainspring.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        finalize=_remove_control_characters,
        bytecode_cache=_COMPILED_TEMPLATES,
    )
    environment.filters |= build_filters(zone, clock)
    environment.globals |= {
        "tone_of": state_tone,
        "icon_of": state_icon,
        "bar_first": MAIN_ENTRIES,
        "bar_more": MORE_ENTRIES,
    }
    return environment


def _remove_control_characters(value: Any) -> Any:
    """Return a value for output: text without control characters and marks that change the direction of writing."""
    if type(value) is not str or value.isprintable():
        return value
    return _DIRECTION_MARKS.sub(lambda mark: f"\\u{ord(mark[0]):04x}", escape_text(value))


def build_filters(zone: ZoneInfo, clock: Clock) -> dict[str, Callable[..., Any]]:
    """Return the filters of templates; `zone` = the default zone of instants."""

    def when(at: int | None, of: str | None = None) -> str:
        """Format an instant (ms) as "3m ago", with the clock time in the zone `of` as a tooltip."""
        if at is None:
            return "-"
        named = of or zone.key
        at_clock = escape(f"{format_instant(at, named)} {named}")
        # Concatenated by hand: a page of rows has hundreds, and Markup.format takes ten times as long.
        distance = format_distance(at, clock.now())
        time = f'<time datetime="{format_iso(at)}" data-when="{at_clock}" title="{at_clock}" tabindex="0">{distance}</time>'
        return Markup(time)  # noqa: S704 - all of it is our own text, or escaped

    return {
        "when": when,
        "clocktime": lambda at, of=None: (
            "-" if at is None else f"{format_instant(at, of or zone.key)} {of or zone.key}"
        ),
        "took": lambda ms: "-" if ms is None else format_span(round(ms)),
        "line": escape_line,
        "part": path_segment,
        "headline": lambda text, longest: escape_line(shorten_headline(text, longest), longest),
        "number": lambda number: f"{number:,}" if isinstance(number, int) else str(number),
        "percent": format_share,
        "memory": format_bytes,
        "size": format_size,
        "of_core": format_core_share,
    }


def link_to_page(request: Request, base: str, changes: Mapping[str, Any]) -> str:
    """Return a link to the page itself with some parameters changed; None removes one. The message above the page is left out."""
    parameters: list[tuple[str, str]] = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in changes and name not in ("as", "of", "done")
    ]
    for name, value in changes.items():
        parameters += [
            (name, str(item)) for item in (value if isinstance(value, list | tuple) else [value]) if item is not None
        ]
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = base + raw.decode("latin-1")
    return f"{path}?{urlencode(parameters)}" if parameters else path
