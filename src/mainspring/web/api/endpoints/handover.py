"""Handover of a shift: incidents that opened or closed, operations of people and what still waits, since an instant."""

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.insight.status.handover import SINCE_MS, ShiftHandover, read_handover
from mainspring.web.api.call import ApiCall, to_ms
from mainspring.web.api.response_types import Instant
from mainspring.web.api.route import get_route


class HandoverQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The start of the span; left out: 8 hours ago."""

    since: Instant | None = None


def show_handover(call: ApiCall[HandoverQuery, None]) -> ShiftHandover:
    """Show what opened, what closed, what people did (to operators), and what still waits."""
    now, since_at = call.site.clock.now(), to_ms(call.query.since)
    opening, first_at = call.site.opening, now - SINCE_MS if since_at is None else since_at
    handover = read_handover(call.site.reader, first_at, now, call.visitor.may_view, opening.wait)
    handover = msgspec.structs.replace(handover, halted=[opening.row(row) for row in handover.halted])
    if call.visitor.may(Role.OPERATOR):
        return handover
    left = msgspec.structs.replace(
        handover.left, acts=0
    )  # operations of people are in the audit log, which viewers may not read
    return msgspec.structs.replace(handover, acts=[], left=left)


ROUTES = (get_route("handover.shown", "/handover", show_handover, ShiftHandover, query=HandoverQuery),)
