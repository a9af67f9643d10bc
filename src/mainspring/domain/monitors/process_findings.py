"""Process findings: a taken address, a missing secret, a silent codec, a log that stays large, failing upkeep. A process itself says so."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts, Process
from mainspring.domain.monitors.judged import Judged, Monitor, loudest, own_verdict, verdict
from mainspring.domain.monitors.tuning import Length, Tuning, ms
from mainspring.domain.process_finding import FindingKind, ProcessFinding
from mainspring.domain.text import escape
from mainspring.domain.trigger import name_parts

_SIZE = "size"
_MOST_NAMED = 3
_LONGEST = 120


class ProcessFindingTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: so long may it last; a process that is restarted holds its address for some seconds."""

    longest: Length = timedelta(minutes=1)


class WalHeldTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: so long may the log be large, or may a process read without a pause; a backup takes less."""

    longest: Length = timedelta(minutes=5)


def judge_addresses(facts: Facts, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Judged]:
    """Judge each address that a process cannot listen on."""
    severity = loudest(facts.expected(now_at))
    for (name, host), (process, finding) in _first(facts, FindingKind.ADDRESS).items():
        figures, since_at = _read_finding(process, finding, tuning, now_at)
        yield own_verdict(
            Subject("", IncidentKind.ADDRESS_TAKEN, f"{name} of {host}"),
            severity,
            {"setting": name, **figures},
            since_at,
            f"{host}: {finding.why}",
            hint=f"End the other process (ss -ltnp shows it), or choose another address: {name} in mainspring.toml",
        )


def judge_secrets(facts: Facts, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Judged]:
    """Judge each webhook that cannot check its senders."""
    known = {one.name: one for one in facts.expected(now_at)}
    seen: set[str] = set()
    for (trigger, host), (_, found) in _first(facts, FindingKind.SECRET).items():
        one = known.get(name_parts(trigger)[0])
        if one is None or trigger in seen:
            continue
        seen.add(trigger)
        lasts_ms, longest_ms = now_at - found.since_at, ms(tuning.longest)
        figures = {"trigger": trigger, "host": host, "lasts_ms": lasts_ms, "longest_ms": longest_ms, "why": found.why}
        yield verdict(
            one,
            IncidentKind.SECRET_MISSING,
            figures,
            found.since_at if lasts_ms >= longest_ms else None,
            f"{trigger} takes nothing on {host}: {found.why}",
            hint=f"Set it where the web process runs, then restart it: mainspring triggers show {trigger} names the variable",
            fingerprint=trigger,
        )


def judge_codecs(facts: Facts, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Judged]:
    """Judge each codec that does not answer workers."""
    severity = loudest(facts.expected(now_at))
    seen: set[str] = set()
    for (codec, host), (process, finding) in _first(facts, FindingKind.CODEC).items():
        if codec in seen:
            continue
        seen.add(codec)
        figures, since_at = _read_finding(process, finding, tuning, now_at)
        yield own_verdict(
            Subject("", IncidentKind.CODEC_UNAVAILABLE, codec),
            severity,
            {"codec": codec, **figures},
            since_at,
            f"{finding.why}, on {host}: its runs wait and continue by themselves",
            hint="Check the service that holds the codec's keys. You need not retry anything; mainspring status shows when it is over",
        )


def judge_upkeep(facts: Facts, tuning: ProcessFindingTuning, now_at: int) -> Iterator[Judged]:
    """Judge each part of upkeep that a process cannot do."""
    severity = loudest(facts.expected(now_at))
    for (part, host), (process, finding) in _first(facts, FindingKind.UPKEEP).items():
        figures, since_at = _read_finding(process, finding, tuning, now_at)
        yield own_verdict(
            Subject("", IncidentKind.UPKEEP_FAILING, f"{part} on {host}"),
            severity,
            {"part": part, **figures},
            since_at,
            f"{host}: upkeep of {part} fails: {finding.why}",
            hint=f"Fix the cause. The log of process {process.pid} shows where it fails; for more: mainspring doctor",
        )


def judge_wal(facts: Facts, tuning: WalHeldTuning, now_at: int) -> Iterator[Judged]:
    """Judge the write-ahead log of the store's file: what has lasted too long, with the processes that read it now."""
    subject, longest_ms = Subject("", IncidentKind.WAL_HELD), ms(tuning.longest)
    found = {name: finding for (name, _), (_, finding) in _first(facts, FindingKind.WAL).items()}
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
    yield own_verdict(
        subject,
        loudest(facts.expected(now_at)).at_most(Severity.NOTIFY),
        figures,
        since_at if now_at - since_at >= longest_ms else None,
        f"{text}: {reads}" if reads else f"{text} and is not emptied",
        hint=f"{'End that read, or the process' if reads else 'Find who reads it: lsof STORE-wal'}. See: mainspring doctor",
        cause="wal",
    )


def _read_finding(
    process: Process, finding: ProcessFinding, tuning: ProcessFindingTuning, now_at: int
) -> tuple[dict[str, Any], int | None]:
    """Return the figures of a finding, and since when it is a failure; None = it has not lasted long enough."""
    lasts_ms, longest_ms = now_at - finding.since_at, ms(tuning.longest)
    figures = {"host": process.host, "pid": process.pid, "why": finding.why}
    figures |= {"lasts_ms": lasts_ms, "longest_ms": longest_ms}
    return figures, finding.since_at if lasts_ms >= longest_ms else None


def _first(facts: Facts, kind: FindingKind) -> dict[tuple[str, str], tuple[Process, ProcessFinding]]:
    """Return what living processes find wrong, by name and host: of several the longest."""
    found: dict[tuple[str, str], tuple[Process, ProcessFinding]] = {}
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
        judge=judge_upkeep,
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
        judge=judge_codecs,
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
        judge=judge_addresses,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.SECRET_MISSING,
        line="No secret of a webhook is set.",
        rule="Wrong while a living web process finds no secret for a webhook, or none that can be used, for longest_ms.",
        tuning=ProcessFindingTuning(),
        judge=judge_secrets,
    ),
    Monitor(
        kind=IncidentKind.WAL_HELD,
        line="The write-ahead log of the store's file cannot be emptied.",
        rule=(
            "Wrong while the write-ahead log has been larger than 64 MiB, or a process has read the store without a pause, for longest_ms. "
            "The readers are named."
        ),
        tuning=WalHeldTuning(),
        judge=judge_wal,
        of_automations=False,
    ),
)
