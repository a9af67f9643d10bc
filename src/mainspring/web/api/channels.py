"""Whom incidents reach: channels with what they took last, who would be told of what; try one."""

import msgspec

from mainspring.app.alerting.channel_probe import probe_channels, select_channels
from mainspring.app.alerting.channels import channel_addresses, make_routing
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.insight.announced import definition_of
from mainspring.insight.channel_lines import ChannelLine, channel_lines
from mainspring.insight.routes import RouteLine, route_lines
from mainspring.service import channel
from mainspring.store.reads.status import automations
from mainspring.web.api.bodies import Because, Slice, Word, slice_of
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Page

_TRIED_WITHIN_S = 15.0
"""A page waits no longer for its answer."""
_WITHIN_S = 30.0


class ChannelShown(ChannelLine, frozen=True, kw_only=True):
    """With what it answered when somebody tried it last: at `tried_at`, with `tried_fault`, None = it took it."""

    tried_at: int | None
    tried_fault: str | None


class ChannelTried(msgspec.Struct, frozen=True, kw_only=True):
    """What the channel answered; `fault` None = it took what it was told."""

    command: str
    channel: str
    fault: str | None


class RoutesQuery(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What would be wrong, and with which automation; of one that is named every severity is told. `limit` counts automations."""

    kind: IncidentKind = IncidentKind.SILENCE
    automation: Word | None = None


def listed(call: AnyCall) -> Page[ChannelShown]:
    """List channels: those of the configuration, and those that still have something to tell."""
    lines = channel_lines(call.site.reader, channel_addresses(call.site.settings))
    return Page([_shown(call, one) for one in lines])


def test(call: Call[None, Because]) -> ChannelTried:
    """Tell a channel that this is a test, and say what it answered; nothing stays open there."""
    site, act = call.site, call.act()
    (name,) = select_channels(site.settings, call.names["channel"])
    if channel.was_tried(site.reads, name, act=act):
        before = channel.last_trial(site.reads, name)
        return ChannelTried(command=act.command, channel=name, fault=None if before is None else before.fault)
    (tried,) = probe_channels(site.settings, [name], by=str(act.actor), clock=site.clock, within_s=_TRIED_WITHIN_S)
    channel.note_trial(site.store, name, channel.Trial(site.clock.now(), tried.fault), act=act)
    return ChannelTried(command=act.command, channel=name, fault=tried.fault)


def routes(call: Call[RoutesQuery, None]) -> Page[RouteLine]:
    """List who would be told, and when, if something went wrong with each automation now."""
    site, query = call.site, call.query
    now, routing = site.clock.now(), make_routing(site.settings)
    found: list[RouteLine] = []
    levels = list(Severity) if query.automation is not None else [None]
    views = [view for view in automations(site.reader, query.automation) if view.retired_at is None]
    page = slice_of(views, lambda view: view.name, query)
    for view in page.items:
        definition = definition_of(view)
        for level in levels:
            found += route_lines(view.name, definition, routing, query.kind, now, level)
    if query.automation is not None and not found:
        call.missing("automation", query.automation)
    return Page(found, page.next)


def _shown(call: AnyCall, line: ChannelLine) -> ChannelShown:
    tried = channel.last_trial(call.site.reads, line.name)
    at, fault = (None, None) if tried is None else (tried.at, tried.fault)
    return ChannelShown(**msgspec.structs.asdict(line), tried_at=at, tried_fault=fault)


ROUTES = (
    reads("channels.listed", "/channels", listed, Page[ChannelShown], whole=True),
    acts("channels.test", "/channels/{channel}/test", test, Because, ChannelTried, whole=True, within_s=_WITHIN_S),
    reads("channels.routes", "/routes", routes, Page[RouteLine], query=RoutesQuery, whole=True),
)
