"""Store findings: what is wrong with the store itself, whether it stands in it or lies beside it."""

import msgspec

from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.store.base import Reader
from mainspring.store.commit_mark import finding_of
from mainspring.store.held import HELD, LOST_COMMITS
from mainspring.store.reads.status import meta


def store_findings(reader: Reader) -> tuple[StoreFinding, ...]:
    """Return all that is known: damage, commits that are lost, and those for which the store is on hold."""
    findings = reader.findings()
    record = meta(reader, LOST_COMMITS)
    if record is not None and meta(reader, HELD) is not None:
        findings.append(finding_of(msgspec.json.decode(record, type=LostCommits)))
    return tuple(findings)
