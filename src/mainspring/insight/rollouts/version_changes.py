"""Changes of a version that was rolled back: the fields of its definition, and the place of its code, added to its finding."""

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.incidents.incident import Finding, IncidentKind
from mainspring.insight.automations.definition_changes import list_definition_changes
from mainspring.insight.text.formatting import escape_line
from mainspring.store.base import StoreReader
from mainspring.store.read.rollouts import list_versions

_MOST = 5
_LONGEST = 300


def add_version_changes(
    findings: Iterable[Finding], reader: StoreReader, *, redact: Callable[[str], str]
) -> list[Finding]:
    """Return findings; those of a rollback get what differs between the two versions. `redact` hides secrets."""
    return [
        _explain(finding, reader, redact) if finding.subject.kind is IncidentKind.ROLLOUT_ROLLED_BACK else finding
        for finding in findings
    ]


def _explain(finding: Finding, reader: StoreReader, redact: Callable[[str], str]) -> Finding:
    numbers = finding.facts["old_version"], finding.facts["new_version"]
    rows = {row.version: row.definition for row in list_versions(reader, finding.subject.automation)}
    if not rows.keys() >= set(numbers):
        return finding
    try:
        old, new = (Definition.from_data(msgspec.json.decode(rows[number])) for number in numbers)
    except msgspec.MsgspecError:  # another Mainspring wrote it
        return finding
    changes = [
        f"{change.path}: {change.was} -> {change.now}"
        for change in list_definition_changes(old, new)
        if change.path not in ("version", "rollout")
    ]
    listed = [*changes[:_MOST], f"its code: {new.where}"]
    # Redact first, then cut: half of a secret would not be recognized.
    text = escape_line(redact("; ".join(listed)), _LONGEST)
    return replace(
        finding,
        text=f"{finding.text}. Changed from version {numbers[0]} to {numbers[1]}: {text}",
        facts={**finding.facts, "changes": text},
    )
