"""Store findings: problems of the store itself, recorded in it or beside it."""

import msgspec

from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.store.base import StoreReader
from mainspring.store.commit_mark import make_finding
from mainspring.store.read.status.status import meta
from mainspring.store.restore_hold import HOLD_KEY, LOST_COMMITS


def store_findings(reader: StoreReader) -> tuple[StoreFinding, ...]:
    """Return all known findings: damage, lost commits, and those for which the store is on hold."""
    findings = reader.findings()
    record = meta(reader, LOST_COMMITS)
    if record is not None and meta(reader, HOLD_KEY) is not None:
        findings.append(make_finding(msgspec.json.decode(record, type=LostCommits)))
    return tuple(findings)
