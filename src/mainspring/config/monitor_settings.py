"""Settings of monitors, `[monitors]`: whether each is on, and its tuning, for all automations and for some.

Made of the table of monitors, so that there is one list of them.
"""

from typing import Any

from msgspec import Struct, defstruct, field
from msgspec.structs import fields

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.monitors.tuning_overrides import TuningOverrides


def _make_optional(tuning: type[Tuning]) -> type[Struct]:
    """Return the Struct in which each setting of a monitor may be left out."""
    settings = [(setting.name, setting.type | None, None) for setting in fields(tuning)]
    return defstruct(f"Own{tuning.__name__}", settings, frozen=True, kw_only=True, module=__name__)


_OPTIONAL_SETTINGS = {
    kind.value: _make_optional(type(monitor.tuning)) for kind, monitor in MONITORS.items() if monitor.of_automations
}

OwnMonitorsSettings = defstruct(
    "OwnMonitorsSettings",
    [(name, partly, partly()) for name, partly in _OPTIONAL_SETTINGS.items()],
    frozen=True,
    kw_only=True,
    module=__name__,
)
"""One entry of `[monitors.of]`: the settings for the automations of that name or pattern alone."""

MonitorsSettings = defstruct(
    "MonitorsSettings",
    [
        *((kind.value, type(monitor.tuning), monitor.tuning) for kind, monitor in MONITORS.items()),
        ("of", dict[str, OwnMonitorsSettings], field(default_factory=dict)),  # type: ignore[valid-type]
    ],
    frozen=True,
    kw_only=True,
    module=__name__,
)


def read_tunings(settings: Struct) -> dict[IncidentKind, Tuning]:
    """Return the tuning of each monitor."""
    return {kind: getattr(settings, kind.value) for kind in MONITORS}


def read_tuning_overrides(settings: Any) -> TuningOverrides:
    """Return the tunings for some automations alone."""
    return TuningOverrides({name: _read_stated(entry) for name, entry in settings.of.items()})


def _read_stated(entry: Struct) -> dict[IncidentKind, dict[str, Any]]:
    stated = {IncidentKind(name): _read_fields(getattr(entry, name)) for name in _OPTIONAL_SETTINGS}
    return {kind: settings for kind, settings in stated.items() if settings}


def _read_fields(partly: Struct) -> dict[str, Any]:
    values = {name: getattr(partly, name) for name in partly.__struct_fields__}
    return {name: value for name, value in values.items() if value is not None}
