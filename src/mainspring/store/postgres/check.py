"""Check of a whole schema: read its indexes and all rows, and return the violated rules."""

import psycopg

from mainspring.store.audit_chain import first_break
from mainspring.store.maintenance.integrity import CHAIN, RULES, IntegrityFinding
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import UNHURRIED, connect, refuse_unsafe
from mainspring.store.postgres.error_table import translate
from mainspring.store.postgres.migrate import created_names
from mainspring.store.postgres.texts import TEXTS

_INDEXES = """
select relname, indisvalid and indisready and indislive
from pg_index join pg_class on pg_class.oid = indexrelid
where relnamespace = current_schema()::regnamespace
"""


def check(address: Address) -> list[IntegrityFinding]:
    """Check a store, even one in use, as of one commit. An empty list = no findings.

    Raises:
        StoreError: it cannot be read at all, or the server could lose what it acknowledged.
    """
    connection = connect(address)
    try:
        refuse_unsafe(connection, address)
        connection.execute("begin isolation level repeatable read read only")
        connection.execute(UNHURRIED)
        connection.execute("select set_config('search_path', $1, true)", (address.schema,))
        findings = []
        indexes: dict[str, str] = dict(connection.execute(_INDEXES).fetchall())
        if invalid := sorted(name for name, is_valid in indexes.items() if not is_valid):
            findings.append(IntegrityFinding("an index is not valid: rebuild it with REINDEX", tuple(invalid)))
        if missing := sorted(created_names("index") - indexes.keys()):
            findings.append(IntegrityFinding("an index is missing", tuple(missing)))
        for query, rule in RULES.items():
            if rows := connection.execute(TEXTS[query]).fetchall():
                findings.append(IntegrityFinding(rule, tuple(str(place) for place, *_ in rows)))
        broken = first_break(connection.execute(TEXTS["read_audit_chain"], (0, 2**62)))
        if broken is not None:
            findings.append(IntegrityFinding(CHAIN, (f"row {broken}",)))
    except psycopg.Error as fault:
        raise translate(fault, address.location) or fault from fault
    finally:
        connection.close()
    return findings
