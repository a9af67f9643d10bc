"""Process findings: a taken address, a missing secret, a silent codec, a log that stays large, failing upkeep. A process itself says so."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedProcess
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation, evaluate_subject, highest_tier
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.text.escaping import escape
from mainspring.domain.triggers.trigger import split_trigger_name

_SIZE = "size"
_MOST_NAMED = 3
_LONGEST = 120


class ProcessFindingTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: so long may it last; a process that is restarted holds its address for some seconds."""

    longest: TuningSpan = timedelta(minutes=1)


class WalHeldTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: so long may the log be large, or may a process read without a pause; a backup takes less."""

    longest: TuningSpan = timedelta(minutes=5)


def evaluate_addresses(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each address that a process cannot listen on."""
    severity = highest_tier(facts.expected(now_at))
    for (name, host), (process, finding) in _longest_findings(facts, ProcessFindingKind.ADDRESS).items():
        figures, since_at = _read_finding(process, finding, tuning, now_at)
        yield evaluate_subject(
            Subject("", IncidentKind.ADDRESS_TAKEN, f"{name} of {host}"),
            severity,
            {"setting": name, **figures},
            since_at,
            f"{host}: {finding.why}",
            hint=f"End the other process (ss -ltnp shows it), or choose another address: {name} in mainspring.toml",
        )


def evaluate_secrets(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each webhook that cannot check its senders."""
    known = {one.name: one for one in facts.expected(now_at)}
    seen: set[str] = set()
    for (trigger, host), (_, found) in _longest_findings(facts, ProcessFindingKind.SECRET).items():
        one = known.get(split_trigger_name(trigger)[0])
        if one is None or trigger in seen:
            continue
        seen.add(trigger)
        lasts_ms, longest_ms = now_at - found.since_at, to_ms(tuning.longest)
        figures = {"trigger": trigger, "host": host, "lasts_ms": lasts_ms, "longest_ms": longest_ms, "why": found.why}
        yield evaluate_automation(
            one,
            IncidentKind.SECRET_MISSING,
            figures,
            found.since_at if lasts_ms >= longest_ms else None,
            f"{trigger} takes nothing on {host}: {found.why}",
            hint=f"Set it where the web process runs, then restart it: mainspring triggers show {trigger} names the variable",
            fingerprint=trigger,
        )


def evaluate_codecs(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each codec that does not answer workers."""
    severity = highest_tier(facts.expected(now_at))
    seen: set[str] = set()
    for (codec, host), (process, finding) in _longest_findings(facts, ProcessFindingKind.CODEC).items():
        if codec in seen:
            continue
        seen.add(codec)
        figures, since_at = _read_finding(process, finding, tuning, now_at)
        yield evaluate_subject(
            Subject("", IncidentKind.CODEC_UNAVAILABLE, codec),
            severity,
            {"codec": codec, **figures},
            since_at,
            f"{finding.why}, on {host}: its runs wait and continue by themselves",
            hint="Check the service that holds the codec's keys. You need not retry anything; mainspring status shows when it is over",
        )


def evaluate_upkeep(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each part of upkeep that a process cannot do."""
    severity = highest_tier(facts.expected(now_at))
    for (part, host), (process, finding) in _longest_findings(facts, ProcessFindingKind.UPKEEP).items():
        figures, since_at = _read_finding(process, finding, tuning, now_at)
        yield evaluate_subject(
            Subject("", IncidentKind.UPKEEP_FAILING, f"{part} on {host}"),
            severity,
            {"part": part, **figures},
            since_at,
            f"{host}: upkeep of {part} fails: {finding.why}",
            hint=f"Fix the cause. The log of process {process.pid} shows where it fails; for more: mainspring doctor",
        )


def evaluate_wal(facts: MonitorInputs, tuning: WalHeldTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge the write-ahead log of the store's file: what has lasted too long, with the processes that read it now."""
    subject, longest_ms = Subject("", IncidentKind.WAL_HELD), to_ms(tuning.longest)
    found = {name: finding for (name, _), (_, finding) in _longest_findings(facts, ProcessFindingKind.WAL).items()}
    if not found:
        return
    large = found.pop(_SIZE, None)
    since_at = min(finding.since_at for finding in (*found.values(), *([large] if large else [])))
    readers = sorted(found.values(), key=lambda finding: finding.since_at)
    if large is None or now_at - large.since_at < longest_ms:
        readers = [finding for finding in readers if now_at - finding.since_at >= longest_ms]
    names = [escape(finding.why, _LONGEST) for finding in readers]
    figures = {
        "readers": names,
        "is_large": large is not None,
        "lasts_ms": now_at - since_at,
        "longest_ms": longest_ms,
    }
    who = ", ".join(names[:_MOST_NAMED])
    reads = f"{who} read{'s' if len(readers) == 1 else ''} the store all the time" if who else ""
    text = large.why if large else "the write-ahead log cannot be emptied"
    yield evaluate_subject(
        subject,
        highest_tier(facts.expected(now_at)).at_most(Severity.NOTIFY),
        figures,
        since_at if now_at - since_at >= longest_ms else None,
        f"{text}: {reads}" if reads else f"{text} and is not emptied",
        hint=f"{'End that read, or the process' if reads else 'Find who reads it: lsof STORE-wal'}. See: mainspring doctor",
        cause="wal",
    )


def _read_finding(
    process: WatchedProcess, finding: ProcessFinding, tuning: ProcessFindingTuning, now_at: int
) -> tuple[dict[str, Any], int | None]:
    """Return the figures of a finding, and since when it is a failure; None = it has not lasted long enough."""
    lasts_ms, longest_ms = now_at - finding.since_at, to_ms(tuning.longest)
    figures = {"host": process.host, "pid": process.pid, "why": finding.why}
    figures |= {"lasts_ms": lasts_ms, "longest_ms": longest_ms}
    return figures, finding.since_at if lasts_ms >= longest_ms else None


def _longest_findings(
    facts: MonitorInputs, kind: ProcessFindingKind
) -> dict[tuple[str, str], tuple[WatchedProcess, ProcessFinding]]:
    """Return what living processes find wrong, by name and host: of several the longest."""
    found: dict[tuple[str, str], tuple[WatchedProcess, ProcessFinding]] = {}
    pairs = [(process, one) for process in facts.processes if not process.gone for one in process.findings]
    for process, one in sorted(pairs, key=lambda pair: pair[1].since_at):
        if one.kind is kind:
            found.setdefault((one.name, process.host), (process, one))
    return found


MONITORS = (
    Monitor(
        kind=IncidentKind.UPKEEP_FAILING,
        line="A part of a process's upkeep fails.",
        rule=(
            "Wrong while a living worker or watcher has failed for longest_ms to do a part of its upkeep: to declare dead processes dead, "
            "to apply retention, to import the spool, to run bulk operations. The other parts go on."
        ),
        tuning=ProcessFindingTuning(),
        judge=evaluate_upkeep,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.CODEC_UNAVAILABLE,
        line="The codec of values does not answer.",
        rule=(
            "Wrong while a living worker cannot seal or open values for longest_ms, for a cause that passes: the service that its "
            "codec asks is out of reach."
        ),
        tuning=ProcessFindingTuning(),
        judge=evaluate_codecs,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.ADDRESS_TAKEN,
        line="An address that a process should listen on is taken.",
        rule=(
            "Wrong while a living web process has not been able to listen on its address for longest_ms: web.bind, or hooks.bind "
            "where a webhook is declared."
        ),
        tuning=ProcessFindingTuning(),
        judge=evaluate_addresses,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.SECRET_MISSING,
        line="No secret of a webhook is set.",
        rule="Wrong while a living web process finds no secret for a webhook, or none that can be used, for longest_ms.",
        tuning=ProcessFindingTuning(),
        judge=evaluate_secrets,
    ),
    Monitor(
        kind=IncidentKind.WAL_HELD,
        line="The write-ahead log of the store's file cannot be emptied.",
        rule=(
            "Wrong while the write-ahead log has been larger than 64 MiB, or a process has read the store without a pause, for longest_ms. "
            "The readers are named."
        ),
        tuning=WalHeldTuning(),
        judge=evaluate_wal,
        of_automations=False,
    ),
)
