"""Whether anything is wrong, since when, who acts, and what comes next: all that the first page shows, as far as a visitor sees."""

import msgspec

from mainspring.app.alerting.channels import channel_addresses
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import RunState
from mainspring.insight import health, soon
from mainspring.insight.channel_lines import channel_lines
from mainspring.insight.health import Organ
from mainspring.insight.seen_incidents import is_seen
from mainspring.insight.soon import Due, Moving, OpenQuestion, Silent, Strip
from mainspring.store.reads.runs import questions
from mainspring.store.reads.status import sessions
from mainspring.store.views import Capped, RunRow
from mainspring.web.api import runs
from mainspring.web.api.call import AnyCall
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Page

_RUNNING = 10
_QUESTIONS = 100
_SESSIONS = 1_000
_INCIDENTS = 1_000


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence, and what it stands on. `head` = how it begins; `count` = what needs a person; `untold` = of it what no incident says.

    `notes` = what is to be known and needs no person: that the clock was set.

    `put_off` = incidents of severity page that somebody looks after: while there is any, not all is well; `undecided_failures` = runs that
    failed within a week by an error that is over, and on which nobody has decided.

    `incidents` = those that are not resolved, what is open and loud first; `running` = the newest 10, `has_more_running` = there are
    others; `strips` = the newest runs of at most 30 automations, those that are not well first; `health` = of the house itself.
    """

    sentence: str
    head: str
    count: int
    untold: list[str]
    notes: list[str]
    put_off: int
    undecided_failures: Capped
    incidents: list[Incident]
    silent: list[Silent]
    questions: list[OpenQuestion]
    running: list[Moving]
    has_more_running: bool
    automations: int
    strips: list[Strip]
    due: list[Due]
    health: list[Organ]


def shown(call: AnyCall) -> Now:
    """Tell how it stands now: what is wrong, what is silent, who is asked, what runs, what is due next."""
    site, visitor, reader, now = call.site, call.visitor, call.site.reader, call.site.clock.now()
    stand = site.kept.of(site)
    told, folded = unresolved(call), [one for one in stand.incidents.folded if is_seen(one, visitor.may_see)]
    views = [one for one in stand.views if visitor.may_see(one.name) and one.retired_at is None]
    waits = [site.opening.wait(one) for one in questions(reader, _QUESTIONS, call.automations())]
    verdict = stand.of(visitor, len(waits))
    running = _running(call)
    return Now(
        sentence=verdict.sentence,
        head=verdict.head,
        count=verdict.count,
        untold=verdict.untold,
        notes=verdict.notes,
        put_off=verdict.put_off,
        undecided_failures=verdict.undecided_failures,
        incidents=told,
        silent=soon.silent(told),
        questions=soon.asked(reader, waits),
        running=soon.moving(reader, running.items, now),
        has_more_running=running.next is not None,
        automations=len(views),
        strips=soon.strips(reader, views, [*told, *folded], now),
        due=soon.due(reader, call.automations()),
        health=_health(call, stand.free) if visitor.is_for_all else [],
    )


def unresolved(call: AnyCall) -> list[Incident]:
    """Return what is wrong as far as the visitor sees, what is open and loud first."""
    site = call.site
    return site.kept.of(site).told_to(call.visitor)[:_INCIDENTS]


def _running(call: AnyCall) -> Page[RunRow]:
    query = runs.RunsQuery(state=(RunState.RUNNING,), limit=_RUNNING)
    return runs.listed(call.asking(query))


def _health(call: AnyCall, free: int | None) -> list[Organ]:
    reader, now = call.site.reader, call.site.clock.now()
    return [
        *health.processes(sessions(reader, limit=_SESSIONS), now),
        health.store(call.site.settings.store.shown, free),
        *health.channels(channel_lines(reader, channel_addresses(call.site.settings)), now),
    ]


ROUTES = (reads("now.shown", "/now", shown, Now),)
