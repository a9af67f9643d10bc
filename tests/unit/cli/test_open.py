"""open: a link for the first browser that follows it, on record."""

from mainspring.domain.access.permissions import STARTUP_LINK_LIFETIME_MS
from mainspring.service.access.access_keys import hash_key


def test_open_prints_a_link_that_the_store_knows_by_its_hash(cli, stage):
    """To where browsers find the pages; who made it is on record, what it holds is not."""
    found = cli("open", "--json").json
    address, _, token = found["link"].partition("/first?token=")
    assert address == "http://127.0.0.1:7171"
    (row,) = cli("audit-log", "list", "--json").json
    assert (row["verb"], row["subject"]) == ("offer", "link:start-up")
    assert token not in str(row)
    ((hash, until_at),) = stage.store.reader.read_text("select hash, until_at from start_links")
    assert hash == hash_key(token)
    assert 0 < until_at - stage.now <= STARTUP_LINK_LIFETIME_MS
    assert "/first?token=" in cli("open").out
