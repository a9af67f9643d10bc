"""History of flags: who changed what, when and why. It is read from the audit log, which has the flag before and after each change."""

import msgspec

from mainspring.insight.flags.flag_words import FlagFieldChange, list_field_changes
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import FlagChanged, Refused, Result
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.views import AuditView

_RESULT = msgspec.json.Decoder[Result](Result)


class FlagHistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An operation on a flag: set, kill or delete.

    `refused` = why the operation did not change anything.
    """

    seq: int
    at: int
    actor: str
    verb: str
    reason: str | None
    changes: list[FlagFieldChange]
    refused: str | None = None


class FlagHistory(msgspec.Struct, frozen=True):
    """Operations, newest first; `cursor` continues the list (None = that was all)."""

    entries: list[FlagHistoryEntry]
    cursor: int | None


def read_flag_history(
    reader: StoreReader, name: str, zone: str, *, limit: int, cursor: int | None = None, since_at: int | None = None
) -> FlagHistory:
    """Return the operations on a flag of this name, also of one that was deleted."""
    page = audit_page(reader, AuditFilter(subject=f"flag:{name}", since_at=since_at), limit=limit, cursor=cursor)
    return FlagHistory([_make_entry(row, zone) for row in page.rows], page.cursor)


def _make_entry(row: AuditView, zone: str) -> FlagHistoryEntry:
    answer = _RESULT.decode(row.result)
    changed = answer if isinstance(answer, FlagChanged) else None
    return FlagHistoryEntry(
        seq=row.seq,
        at=row.at,
        actor=row.actor,
        verb=row.verb,
        reason=row.reason,
        changes=[] if changed is None else list_field_changes(changed.before, changed.flag, zone),
        refused=(answer.text or answer.code) if isinstance(answer, Refused) else None,
    )
