"""The audit log as people read it."""

from mainspring.service import automation
from mainspring.service.audit import check_audit_chain, read_audit_log


def test_audit_list_goes_page_by_page(store, reads, act):
    """Acts come newest first, each once, and the last page has no cursor."""
    for name in "abc":
        automation.pause(store, "backup", act=act(name))
    page = read_audit_log(reads, limit=2)
    rest = read_audit_log(reads, limit=2, cursor=page.cursor)
    assert [row.command for row in page.rows + rest.rows] == ["c", "b", "a"]
    assert (page.cursor is not None, rest.cursor) == (True, None)


def test_audit_verify_walks_the_whole_chain(store, reads, act):
    """A log that no one touched is whole, and its last hash is the newest row's."""
    for _ in range(3):
        automation.pause(store, "backup", act=act())
    check = check_audit_chain(reads)
    assert (check.broken_at, check.rows, check.last_hash) == (None, 3, reads.audit_rows(limit=1)[0].hash)
