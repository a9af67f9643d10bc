"""`/settings`: notification channels with a test, routes, the log of alerts, and the configuration."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.duration import format_duration
from mainspring.domain.errors import ConflictError
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.notifications.routing import NotificationRoute
from mainspring.domain.states import AlertState
from mainspring.insight.automations.option_list import format_option
from mainspring.insight.incidents.routes import RouteLine
from mainspring.store.read.incidents import AlertView
from mainspring.web.api.bodies import CommitOrderQuery, OperationRequest, Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints import channels, incidents, restore, settings
from mainspring.web.api.endpoints.channels import ChannelDetail, RoutesQuery
from mainspring.web.api.endpoints.incidents import AlertsQuery
from mainspring.web.api.endpoints.settings import SettingDetail
from mainspring.web.api.response_types import Page
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api
from mainspring.web.dashboard.time_fields import SPANS, Since, parse_past

AT = "/settings"


class AlertsPageQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filter of alerts: channel, state, and the longest time since they were written."""

    channel: Word | None = None
    state: AlertState | None = None
    since: Since | None = None


class ConfigurationPageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filter of settings: a text in the name; `stated` = without those that have their default."""

    name: Word | None = None
    stated: bool = False


def show(call: AnyApiCall) -> PageView:
    """Show channels and routing."""
    notify = call.site.settings.notify
    times = {
        "repeats after": format_duration(notify.repeat),
        "escalates after": format_duration(notify.escalate_after),
        "groups for": format_duration(notify.group_wait),
        "digest": notify.digest,
    }
    values = {
        "channels": channels.list_channels(api_call(call)).items,
        "routes": [_describe_route(route) for route in notify.route],
        "windows": len(notify.maintenance),
        "times": times,
        "is_held": restore.is_on_hold(call),
        "environment_name": call.site.settings.project.environment,
    }
    return PageView("Settings", values)


def rows(call: AnyApiCall) -> list[ChannelDetail]:
    """Export the channels."""
    return channels.list_channels(api_call(call)).items


def routes(call: AnyApiCall) -> tuple[NotificationRoute, ...]:
    """Export the routes of the configuration."""
    return call.site.settings.notify.route


def test_channel_of_form(call: ApiCall[Any, Form]) -> None:
    """Send a test to a channel. Raises ConflictError with its answer if it fails."""
    name = call.body.get("channel", "")
    result = call_api(call, channels.test_channel, OperationRequest(), channel=name)
    if result.fault is not None:
        raise ConflictError(f"{name} did not accept the test: {result.fault}", hint="The audit log has it.")


def show_routes(call: ApiCall[RoutesQuery, Form | None]) -> PageView:
    """Show the recipients of an incident of each automation now."""
    page = channels.list_routes(api_call(call))
    values = {"routes": page.items, "next": page.next, "query": call.query, "kinds": list(IncidentKind)}
    return PageView("Routes", values | {"now": call.site.clock.now()})


def rows_of_routes(call: ApiCall[RoutesQuery, None]) -> Iterator[RouteLine]:
    """Export the recipients."""
    return list_all_pages(call, channels.list_routes)


def show_alerts(call: ApiCall[AlertsPageQuery, Form | None]) -> PageView:
    """Show notifications that were sent or wait to be sent."""
    page = _list_alerts(api_call(call))
    values = {"alerts": page.items, "next": page.next, "query": call.query, "states": list(AlertState)}
    names = [channel.name for channel in channels.list_channels(api_call(call)).items]
    return PageView("Alerts", values | {"channels": names, "spans": SPANS})


def rows_of_alerts(call: ApiCall[AlertsPageQuery, None]) -> Iterator[AlertView]:
    """Export all alerts."""
    return list_all_pages(call, _list_alerts)


def show_configuration(call: ApiCall[ConfigurationPageQuery, Form | None]) -> PageView:
    """Show the settings in force in the web process, with their sources."""
    listed = [(setting, format_option(setting.value)) for setting in rows_of_configuration(api_call(call))]
    return PageView("Configuration", {"settings": listed, "query": call.query, "file": call.site.settings.file})


def rows_of_configuration(call: ApiCall[ConfigurationPageQuery, None]) -> list[SettingDetail]:
    """Export the matching settings."""
    query = call.query
    return [
        setting
        for setting in settings.list_settings(call).items
        if (query.name is None or query.name in setting.setting) and not (query.stated and setting.source == "default")
    ]


def _list_alerts(call: ApiCall[AlertsPageQuery, None]) -> Page[AlertView]:
    query = call.query
    api_query = AlertsQuery(
        channel=query.channel,
        state=query.state,
        since=parse_past(call, query.since),
        limit=query.limit,
        cursor=query.cursor,
    )
    return incidents.list_alerts(call.with_query(api_query))


def _describe_route(route: NotificationRoute) -> dict[str, Any]:
    match = msgspec.to_builtins(route.match)
    texts = (
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in match.items()
    )
    return {
        "match": list(texts),
        "to": route.to,
        "quiet": route.quiet,
        "digest": route.digest,
        "escalate": route.escalate,
    }


PAGES = (
    PageRoute(
        path=AT,
        template="admin/settings.html",
        show=show,
        rows=rows,
        tables={"routes": routes},
        whole=True,
        nouns=("incidents", "audit-log"),
        buttons={"test": PageButton(Role.OPERATOR, test_channel_of_form)},
    ),
    PageRoute(
        path="/settings/routes",
        template="admin/settings_routes.html",
        show=show_routes,
        rows=rows_of_routes,
        query=RoutesQuery,
        whole=True,
        nouns=("automations",),
        at=AT,
    ),
    PageRoute(
        path="/settings/alerts",
        template="admin/settings_alerts.html",
        show=show_alerts,
        rows=rows_of_alerts,
        query=AlertsPageQuery,
        whole=True,
        nouns=("incidents",),
        at=AT,
    ),
    PageRoute(
        path="/settings/configuration",
        template="admin/settings_configuration.html",
        show=show_configuration,
        rows=rows_of_configuration,
        query=ConfigurationPageQuery,
        role=Role.OPERATOR,
        whole=True,
        at=AT,
    ),
)
