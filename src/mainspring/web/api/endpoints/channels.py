"""Notification channels: list and test them, and list which incidents are routed to whom."""

import msgspec

from mainspring.app.alerting.channel_probe import probe_channels, select_channels
from mainspring.app.alerting.channels import channel_addresses, make_routing
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.incidents.channel_list import ChannelLine, list_channel_lines
from mainspring.insight.incidents.routes import RouteLine, list_route_lines
from mainspring.service import channel
from mainspring.store.read.status.status import automations
from mainspring.web.api.bodies import ListQuery, OperationRequest, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route

_TEST_WITHIN_S = 15.0
"""A page waits at most this long for the result of a test."""
_WITHIN_S = 30.0


class ChannelDetail(ChannelLine, frozen=True, kw_only=True):
    """A channel with the result of the last test by a person: at `tried_at`, with `tried_fault`; None = it accepted the message."""

    tried_at: int | None
    tried_fault: str | None


class ChannelTestResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a test message; `fault` None = the channel accepted it."""

    command: str
    channel: str
    fault: str | None


class RoutesQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The severity and the automations for which routes are listed; for one named automation every severity is listed. `limit` counts
    automations.
    """

    kind: IncidentKind = IncidentKind.SILENCE
    automation: Word | None = None


def list_channels(call: AnyApiCall) -> Page[ChannelDetail]:
    """List channels: those of the configuration, and those with unsent notifications."""
    lines = list_channel_lines(call.site.reader, channel_addresses(call.site.settings))
    return Page([_build_detail(call, line) for line in lines])


def test_channel(call: ApiCall[None, OperationRequest]) -> ChannelTestResult:
    """Send a test message to a channel and return its answer; nothing stays open there."""
    site, act = call.site, call.act()
    (name,) = select_channels(site.settings, call.names["channel"])
    if channel.was_tested(site.reads, name, act=act):
        last_test = channel.read_last_test(site.reads, name)
        return ChannelTestResult(
            command=act.command, channel=name, fault=None if last_test is None else last_test.fault
        )
    (result,) = probe_channels(site.settings, [name], by=str(act.actor), clock=site.clock, within_s=_TEST_WITHIN_S)
    channel.record_test(site.store, name, channel.ChannelTest(site.clock.now(), result.fault), act=act)
    return ChannelTestResult(command=act.command, channel=name, fault=result.fault)


def list_routes(call: ApiCall[RoutesQuery, None]) -> Page[RouteLine]:
    """List who would be notified of a problem with each automation now, and when."""
    site, query = call.site, call.query
    now, routing = site.clock.now(), make_routing(site.settings)
    lines: list[RouteLine] = []
    severities = list(Severity) if query.automation is not None else [None]
    views = [view for view in automations(site.reader, query.automation) if view.retired_at is None]
    page = slice_rows(views, lambda view: view.name, query)
    for view in page.items:
        definition = read_definition(view)
        for severity in severities:
            lines += list_route_lines(view.name, definition, routing, query.kind, now, severity)
    if query.automation is not None and not lines:
        call.missing("automation", query.automation)
    return Page(lines, page.next)


def _build_detail(call: AnyApiCall, line: ChannelLine) -> ChannelDetail:
    last_test = channel.read_last_test(call.site.reads, line.name)
    at, fault = (None, None) if last_test is None else (last_test.at, last_test.fault)
    return ChannelDetail(**msgspec.structs.asdict(line), tried_at=at, tried_fault=fault)


ROUTES = (
    get_route("channels.listed", "/channels", list_channels, Page[ChannelDetail], whole=True),
    post_route(
        "channels.test",
        "/channels/{channel}/test",
        test_channel,
        OperationRequest,
        ChannelTestResult,
        whole=True,
        within_s=_WITHIN_S,
    ),
    get_route("channels.routes", "/routes", list_routes, Page[RouteLine], query=RoutesQuery, whole=True),
)
