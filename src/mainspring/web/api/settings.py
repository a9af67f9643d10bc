"""The configuration that counts, each setting with its source, as `doctor --config` prints it. It names secrets and holds none."""

from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.values.plain_json import to_plain_json
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.web.api.call import AnyCall
from mainspring.web.api.route import ApiRoute
from mainspring.web.api.shape import Page


class SettingShown(msgspec.Struct, frozen=True):
    """A setting as it is written in a file, and its source: a file, a variable, or "default"."""

    setting: str
    value: Any
    source: str


def listed(call: AnyCall) -> Page[SettingShown]:
    """List all settings in force in the web process, with their sources."""
    return Page([SettingShown(path, _shown(value), source) for path, value, source in call.site.settings.describe()])


def _shown(value: Any) -> Any:
    """Return a value without what is known to be secret: somebody may have written one where none belongs."""
    return KNOWN_SECRETS.redactor.redact_data(to_plain_json(value))


ROUTES = (
    ApiRoute(
        id="settings.listed",
        method="GET",
        path="/settings",
        role=Role.OPERATOR,
        handler=listed,
        gives=Page[SettingShown],
        whole=True,
    ),
)
