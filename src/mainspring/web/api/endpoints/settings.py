"""The settings in force, each with its source, as `doctor --config` prints them. They name secrets and hold none."""

from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.values.plain_json import to_plain_json
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.web.api.call import AnyApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import ApiRoute


class SettingDetail(msgspec.Struct, frozen=True):
    """A setting as it is written in a file, and its source: a file, a variable, or "default"."""

    setting: str
    value: Any
    source: str


def list_settings(call: AnyApiCall) -> Page[SettingDetail]:
    """List all settings in force in the web process, with their sources."""
    return Page(
        [SettingDetail(path, _hide_secrets(value), source) for path, value, source in call.site.settings.describe()]
    )


def _hide_secrets(value: Any) -> Any:
    """Return a value without known secrets: a user may have written one where none belongs."""
    return KNOWN_SECRETS.redactor.redact_data(to_plain_json(value))


ROUTES = (
    ApiRoute(
        id="settings.listed",
        method="GET",
        path="/settings",
        role=Role.OPERATOR,
        handler=list_settings,
        response_type=Page[SettingDetail],
        whole=True,
    ),
)
