"""How it stands as a whole: the figures of the moment, what monitors say, and the record of what people and programs did."""

from typing import Any

import msgspec

from mainspring import __version__
from mainspring.config.due_secrets import due_secrets_of
from mainspring.config.monitoring import tunings_of
from mainspring.domain.incident import IncidentKind
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Judged
from mainspring.domain.monitors.table import MONITORS
from mainspring.domain.plain import plain
from mainspring.domain.states import RunState, SessionState
from mainspring.operations.facts import FactsReader
from mainspring.operations.sight import see
from mainspring.resources.hidden import HIDDEN
from mainspring.service.audit import audit_list, audit_verify
from mainspring.store.held import HELD
from mainspring.store.reads import incidents as wrong
from mainspring.store.reads import runs, status
from mainspring.store.views import AuditCheck, AuditView
from mainspring.web.api.bodies import Limit, Numbered, Word
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Page

_AT_ONCE = 2_000
_MOST = 1_000
_AUDIT_WITHIN_S = 60.0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of the moment; none counts beyond 1,000. `incidents` = those that are not resolved, by severity; `held` = restored."""

    version: str
    project: str | None
    environment: str
    held: bool
    automations: int
    running: int
    waiting: int
    retrying: int
    needs_attention: int
    questions: int
    incidents: dict[str, int]
    processes: dict[str, int]


class MonitorLine(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor: how many it judged, of how many something is wrong, of how many it cannot be said yet."""

    name: str
    line: str
    on: bool
    judged: int
    wrong: int
    unsure: int


class MonitorQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this automation alone, with all that was learned of it."""

    automation: Word | None = None
    limit: Limit = 100


class MonitorShown(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor, its settings, and what it says, what is wrong first. Neither `finding` nor `unsure` = well."""

    name: str
    line: str
    rule: str
    settings: dict[str, Any]
    judged: list[Judged]


def standing(call: AnyCall) -> Standing:
    """Tell how it stands: automations, runs, incidents, processes."""
    reader, project = call.site.reader, call.site.settings.project
    incidents: dict[str, int] = {}
    for (severity, _), number in wrong.wrong_counts(reader).items():
        incidents[severity] = incidents.get(severity, 0) + number
    processes: dict[str, int] = {}
    for one in status.sessions(reader, limit=_MOST):
        if one.state == SessionState.ALIVE:
            processes[one.role] = processes.get(one.role, 0) + 1
    return Standing(
        version=__version__,
        project=project.name,
        environment=project.environment,
        held=status.meta(reader, HELD) is not None,
        automations=sum(one.retired_at is None for one in status.automations(reader)),
        running=sum(one.running for one in status.queue_views(reader)),
        waiting=status.count_in(reader, RunState.WAITING).number,
        retrying=status.count_in(reader, RunState.RETRYING).number,
        needs_attention=status.count_in(reader, RunState.NEEDS_ATTENTION).number,
        questions=len(runs.questions(reader, _MOST)),
        incidents=incidents,
        processes=processes,
    )


def monitors(call: AnyCall) -> Page[MonitorLine]:
    """List monitors: what each judges, and what it finds now."""
    facts = _facts(call, None)
    tunings = tunings_of(call.site.settings.monitors)
    lines = []
    for kind, monitor in MONITORS.items():
        judged = _judged(call, kind, facts)
        found = sum(one.finding is not None for one in judged)
        unsure = sum(one.finding is None and one.unsure is not None for one in judged)
        lines.append(
            MonitorLine(
                name=kind.value,
                line=monitor.line,
                on=tunings[kind].on,
                judged=len(judged),
                wrong=found,
                unsure=unsure,
            )
        )
    return Page(lines)


def monitor(call: Call[MonitorQuery, None]) -> MonitorShown:
    """Show a monitor: each figure by which it judges, and how the verdict follows."""
    name, query = call.names["monitor"], call.query
    kind = next((kind for kind in MONITORS if kind.value == name), None)
    if kind is None:
        call.missing("monitor", name)
    judged = [
        one
        for one in _judged(call, kind, _facts(call, query.automation))
        if query.automation in (None, one.subject.automation)
    ]
    tuning = tunings_of(call.site.settings.monitors)[kind]
    return MonitorShown(
        name=name,
        line=MONITORS[kind].line,
        rule=MONITORS[kind].rule,
        settings={field: plain(getattr(tuning, field), field) for field in tuning.__struct_fields__},
        judged=judged[: query.limit],
    )


def _facts(call: AnyCall, about: str | None) -> Facts:
    settings = call.site.settings
    known = FactsReader(call.site.reader, at_once=_AT_ONCE, about=about, secrets=due_secrets_of(settings))
    tunings = tunings_of(settings.monitors)
    return see(known, call.site.reader, call.site.clock.now(), tunings=tunings, redact=HIDDEN.redact).facts


def _judged(call: AnyCall, kind: IncidentKind, facts: Facts) -> list[Judged]:
    """Return what a monitor says, what is wrong first."""
    tuning = tunings_of(call.site.settings.monitors)[kind]
    found = list(MONITORS[kind].judge(facts, tuning, call.site.clock.now())) if tuning.on else []
    return sorted(found, key=lambda one: (one.finding is None, one.unsure is None, one.subject))


def acts_on_record(call: Call[Numbered, None]) -> Page[AuditView]:
    """List acts of people and programs, newest first, refused ones too."""
    page = audit_list(call.site.reads, limit=call.query.limit, cursor=call.query.cursor)
    opening = call.site.opening
    return Page([opening.act(row) for row in page.rows], None if page.cursor is None else str(page.cursor))


def verify(call: AnyCall) -> AuditCheck:
    """Walk the chain of the audit log: whether nothing in it was changed."""
    return audit_verify(call.site.reads)


ROUTES = (
    reads("/status", standing, Standing, whole=True),
    reads("/monitors", monitors, Page[MonitorLine], whole=True),
    reads("/monitors/{monitor}", monitor, MonitorShown, query=MonitorQuery, whole=True),
    reads("/audit-log", acts_on_record, Page[AuditView], query=Numbered, whole=True),
    reads("/audit-log/check", verify, AuditCheck, whole=True, within_s=_AUDIT_WITHIN_S),
)
