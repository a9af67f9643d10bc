"""Process findings: a taken address, a missing secret, a silent codec, a large log, failing upkeep. Each process reports its own."""

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
    """`longest`: how long a finding may last; a process that is restarted holds its address for some seconds."""

    longest: TuningSpan = timedelta(minutes=1)


class WalHeldTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: how long the log may be large, or a process may read without a pause; a backup takes less."""

    longest: TuningSpan = timedelta(minutes=5)


def evaluate_addresses(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each address that a process cannot listen on."""
    severity = highest_tier(facts.expected(now_at))
    for (name, host), (process, finding) in _longest_findings(facts, ProcessFindingKind.ADDRESS).items():
        metrics, since_at = _read_finding(process, finding, tuning, now_at)
        yield evaluate_subject(
            Subject("", IncidentKind.ADDRESS_TAKEN, f"{name} of {host}"),
            severity,
            {"setting": name, **metrics},
            since_at,
            f"{host}: {finding.why}",
            hint=f"End the other process (ss -ltnp lists it), or choose another address: {name} in mainspring.toml",
        )


def evaluate_secrets(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each webhook that cannot check its senders."""
    known = {automation.name: automation for automation in facts.expected(now_at)}
    seen: set[str] = set()
    for (trigger, host), (_, finding) in _longest_findings(facts, ProcessFindingKind.SECRET).items():
        automation = known.get(split_trigger_name(trigger)[0])
        if automation is None or trigger in seen:
            continue
        seen.add(trigger)
        lasts_ms, longest_ms = now_at - finding.since_at, to_ms(tuning.longest)
        metrics = {"trigger": trigger, "host": host, "lasts_ms": lasts_ms, "longest_ms": longest_ms, "why": finding.why}
        yield evaluate_automation(
            automation,
            IncidentKind.SECRET_MISSING,
            metrics,
            finding.since_at if lasts_ms >= longest_ms else None,
            f"{trigger} accepts nothing on {host}: {finding.why}",
            hint=f"Set the secret for the web process, then restart it: mainspring triggers show {trigger} names "
            "the variable",
            fingerprint=trigger,
        )


def evaluate_codecs(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each codec that does not answer workers."""
    severity = highest_tier(facts.expected(now_at))
    seen: set[str] = set()
    for (codec, host), (process, finding) in _longest_findings(facts, ProcessFindingKind.CODEC).items():
        if codec in seen:
            continue
        seen.add(codec)
        metrics, since_at = _read_finding(process, finding, tuning, now_at)
        yield evaluate_subject(
            Subject("", IncidentKind.CODEC_UNAVAILABLE, codec),
            severity,
            {"codec": codec, **metrics},
            since_at,
            f"{finding.why}, on {host}: its runs wait and continue by themselves",
            hint="Check the service with the keys of the codec. You need not retry anything; mainspring status "
            "shows when it is over",
        )


def evaluate_upkeep(facts: MonitorInputs, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each part of upkeep that a process cannot do."""
    severity = highest_tier(facts.expected(now_at))
    for (part, host), (process, finding) in _longest_findings(facts, ProcessFindingKind.UPKEEP).items():
        metrics, since_at = _read_finding(process, finding, tuning, now_at)
        yield evaluate_subject(
            Subject("", IncidentKind.UPKEEP_FAILING, f"{part} on {host}"),
            severity,
            {"part": part, **metrics},
            since_at,
            f"{host}: upkeep of {part} fails: {finding.why}",
            hint=f"Fix the cause. The log of process {process.pid} shows where it fails; for more: mainspring doctor",
        )


def evaluate_wal(facts: MonitorInputs, tuning: WalHeldTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the write-ahead log of the store's file: findings that have lasted too long, with the processes that read it now."""
    subject, longest_ms = Subject("", IncidentKind.WAL_HELD), to_ms(tuning.longest)
    findings = {name: finding for (name, _), (_, finding) in _longest_findings(facts, ProcessFindingKind.WAL).items()}
    if not findings:
        return
    large = findings.pop(_SIZE, None)
    since_at = min(finding.since_at for finding in (*findings.values(), *([large] if large else [])))
    readers = sorted(findings.values(), key=lambda finding: finding.since_at)
    if large is None or now_at - large.since_at < longest_ms:
        readers = [finding for finding in readers if now_at - finding.since_at >= longest_ms]
    names = [escape(finding.why, _LONGEST) for finding in readers]
    metrics = {
        "readers": names,
        "is_large": large is not None,
        "lasts_ms": now_at - since_at,
        "longest_ms": longest_ms,
    }
    reader_names = ", ".join(names[:_MOST_NAMED])
    reads = f"{reader_names} keep{'s' if len(readers) == 1 else ''} reading the store" if reader_names else ""
    text = large.why if large else "the write-ahead log cannot be emptied"
    yield evaluate_subject(
        subject,
        highest_tier(facts.expected(now_at)).at_most(Severity.NOTIFY),
        metrics,
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
    metrics = {"host": process.host, "pid": process.pid, "why": finding.why}
    metrics |= {"lasts_ms": lasts_ms, "longest_ms": longest_ms}
    return metrics, finding.since_at if lasts_ms >= longest_ms else None


def _longest_findings(
    facts: MonitorInputs, kind: ProcessFindingKind
) -> dict[tuple[str, str], tuple[WatchedProcess, ProcessFinding]]:
    """Return the findings of live processes by name and host: of several the longest."""
    longest: dict[tuple[str, str], tuple[WatchedProcess, ProcessFinding]] = {}
    pairs = [(process, finding) for process in facts.processes if not process.gone for finding in process.findings]
    for process, finding in sorted(pairs, key=lambda pair: pair[1].since_at):
        if finding.kind is kind:
            longest.setdefault((finding.name, process.host), (process, finding))
    return longest


MONITORS = (
    Monitor(
        kind=IncidentKind.UPKEEP_FAILING,
        line="A maintenance task of a process fails.",
        rule=(
            "Open while a live worker or watcher has failed for longest_ms at a maintenance task: declare dead processes "
            "dead, apply retention, import the spool, or run bulk operations. The other tasks continue."
        ),
        tuning=ProcessFindingTuning(),
        evaluate=evaluate_upkeep,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.CODEC_UNAVAILABLE,
        line="The codec of values does not answer.",
        rule=(
            "Open while a live worker has not been able to seal or open values for longest_ms, because the service of the "
            "codec is unreachable."
        ),
        tuning=ProcessFindingTuning(),
        evaluate=evaluate_codecs,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.ADDRESS_TAKEN,
        line="An address that a process should listen on is in use.",
        rule=(
            "Open while a live web process has not been able to listen on its address for longest_ms: web.bind, or hooks.bind "
            "if a webhook is declared."
        ),
        tuning=ProcessFindingTuning(),
        evaluate=evaluate_addresses,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.SECRET_MISSING,
        line="The secret of a webhook is missing.",
        rule="Open while a live web process has found no usable secret for a webhook for longest_ms.",
        tuning=ProcessFindingTuning(),
        evaluate=evaluate_secrets,
    ),
    Monitor(
        kind=IncidentKind.WAL_HELD,
        line="The write-ahead log of the store's file cannot be emptied.",
        rule=(
            "Open while, for longest_ms, the write-ahead log has been larger than 64 MiB or a process has read the store "
            "without a pause. The incident names the readers."
        ),
        tuning=WalHeldTuning(),
        evaluate=evaluate_wal,
        of_automations=False,
    ),
)
