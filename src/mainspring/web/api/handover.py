"""What a shift hands over: what opened, closed, was done by people and still waits, since an instant."""

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.insight.handover import SINCE_MS, Handover, handover
from mainspring.web.api.call import Call, ms
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Instant


class HandoverQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Since when; left out: since 8 hours."""

    since: Instant | None = None


def shown(call: Call[HandoverQuery, None]) -> Handover:
    """Tell what opened, what closed, what people did (to who may act) and what still waits."""
    now, since_at = call.site.clock.now(), ms(call.query.since)
    opening, first_at = call.site.opening, now - SINCE_MS if since_at is None else since_at
    found = handover(call.site.reader, first_at, now, call.visitor.may_see, opening.wait)
    found = msgspec.structs.replace(found, halted=[opening.row(row) for row in found.halted])
    if call.visitor.may(Role.OPERATOR):
        return found
    left = msgspec.structs.replace(
        found.left, acts=0
    )  # what people did stands in the audit log, which is not for viewers
    return msgspec.structs.replace(found, acts=[], left=left)


ROUTES = (reads("handover.shown", "/handover", shown, Handover, query=HandoverQuery),)
