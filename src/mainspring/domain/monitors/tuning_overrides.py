"""Tuning overrides for some automations, by name or pattern. Each setting that is left out keeps its general value."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.tuning import Tuning

MonitorSettings = Mapping[IncidentKind, Mapping[str, Any]]
"""The settings of each monitor."""


class TuningOverrides:
    """`written` = the settings under each name or pattern. Of two that match, the later pattern wins; an exact name wins over all."""

    def __init__(self, written: Mapping[str, MonitorSettings] | None = None) -> None:
        self._written = dict(written or {})
        self._kinds = frozenset(kind for settings in self._written.values() for kind in settings)
        self._merged: dict[str, dict[IncidentKind, dict[str, Any]]] = {}

    def set_of(self, automation: str, kind: IncidentKind) -> Mapping[str, Any]:
        """Return the settings of a monitor for this automation alone."""
        if kind not in self._kinds:
            return {}
        merged = self._merged.get(automation)
        if merged is None:  # cached: every evaluation needs it for each automation and monitor
            merged = self._merged[automation] = self._merge(automation)
        return merged.get(kind, {})

    def of(self, automation: str, kind: IncidentKind, general: Tuning) -> Tuning:
        """Return the tuning of this automation; `general` is that of all others."""
        return msgspec.structs.replace(general, **self.set_of(automation, kind))

    def groups(self, kind: IncidentKind, general: Tuning, automations: Iterable[str]) -> dict[Tuning, set[str]]:
        """Return the automations that have another tuning than the general one, by it."""
        groups: dict[Tuning, set[str]] = defaultdict(set)
        if kind in self._kinds:
            for name in automations:
                if self.set_of(name, kind):
                    groups[self.of(name, kind, general)].add(name)
        groups.pop(general, None)
        return dict(groups)

    def find_unmatched(self, automations: Iterable[str]) -> list[str]:
        """Return the names and patterns that match none of these automations."""
        names = set(automations)
        return [
            pattern
            for pattern in self._written
            if pattern not in names and not any(fnmatchcase(name, pattern) for name in names)
        ]

    def _merge(self, automation: str) -> dict[IncidentKind, dict[str, Any]]:
        patterns = [pattern for pattern in self._written if pattern != automation and fnmatchcase(automation, pattern)]
        if automation in self._written:
            patterns.append(automation)
        merged: dict[IncidentKind, dict[str, Any]] = {}
        for pattern in patterns:
            for kind, settings in self._written[pattern].items():
                merged[kind] = merged.get(kind, {}) | dict(settings)
        return merged
