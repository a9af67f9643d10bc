"""Things that are wrong in a page's world: incidents as a watcher finds them, and runs that failed."""

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.store.commands.incidents import ErrorGroup, EvaluatedFinding, GroupedFailure, RecordEvaluation
from mainspring.store.read.incidents import incident, ungrouped_failures
from tests.contract.store.process import fail
from tests.unit.web.dashboard.run_world import claimed


def find_invalid(
    world, automation="pay", id="i_1", kind=IncidentKind.SILENCE, severity=Severity.PAGE, text="no success", **more
):
    """Let a watcher find something of an automation; return its id."""
    subject = Subject(automation, kind, more.pop("fingerprint", ""))
    finding = Finding(subject=subject, severity=severity, text=text, since_at=world.clock.now() - 60_000, **more)
    world.store.apply(
        RecordEvaluation(
            started_at=world.clock.now(),
            found=(EvaluatedFinding(id=id, finding=finding, to=(NotificationTarget(0, "ops"),)),),
        )
    )
    world.site.project_status.forget()
    return id


def find_storm(world, *automations):
    """Let a watcher find the same of several automations, which it tells as one; return the storm's id."""
    storm = Subject("", IncidentKind.STORM, "host:a")

    def finding(subject, text):
        return Finding(subject=subject, severity=Severity.NOTIFY, text=text, since_at=world.clock.now() - 60_000)

    found = [EvaluatedFinding(id="i_storm", finding=finding(storm, "the host is gone"))]
    found += [
        EvaluatedFinding(
            id=f"i_{name}", finding=finding(Subject(name, IncidentKind.SILENCE), f"{name} is gone"), parent=storm
        )
        for name in automations
    ]
    world.store.apply(RecordEvaluation(started_at=world.clock.now(), found=tuple(found)))
    world.site.project_status.forget()
    return "i_storm"


def fail_run(world, id="i_1", **more):
    """Let a run of `pay` fail, and a watcher find it; return the run."""
    run = claimed(world)
    world.store.apply(fail(run, "s1"))
    (fault,) = ungrouped_failures(world.store.reader)
    group = ErrorGroup("pay", "f1", "E", "e", "p", "E: m", (GroupedFailure(fault.seq, fault.run, fault.at),))
    world.store.apply(RecordEvaluation(started_at=world.clock.now(), groups=(group,)))
    find_invalid(
        world,
        id=id,
        kind=IncidentKind.PERMANENT_ERROR,
        text="it broke",
        fingerprint="f1",
        facts={"runs": [run.id]},
        **more,
    )
    return run.id


def state_of(world, id="i_1"):
    return incident(world.store.reader, id).state


HOSTILE = "<script>alert(1)</script>\" onmouseover='x'"
