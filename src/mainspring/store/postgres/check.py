"""Reading a whole schema and saying what is wrong with it: its indexes, and what must be true of its rows."""

import re

import psycopg

from mainspring.store.audit_chain import first_break
from mainspring.store.maintenance.integrity import CHAIN, RULES, IntegrityFinding
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import UNHURRIED, connect, refuse_unsafe
from mainspring.store.postgres.error_table import translate
from mainspring.store.postgres.migrate import migrations
from mainspring.store.postgres.texts import TEXTS

_INDEX = re.compile(r"(create(?: unique)?|drop) index (?:if (?:not )?exists )?(\w+)", re.IGNORECASE)
_INDEXES = """
select relname, indisvalid and indisready and indislive
from pg_index join pg_class on pg_class.oid = indexrelid
where relnamespace = current_schema()::regnamespace
"""


def check(address: Address) -> list[IntegrityFinding]:
    """Check a store, also one in use; all of it as of one commit. An empty list = nothing is wrong.

    Raises:
        StoreError: it cannot be read at all, or the server could lose what it acknowledged.
    """
    connection = connect(address)
    try:
        refuse_unsafe(connection, address)
        connection.execute("begin isolation level repeatable read read only")
        connection.execute(UNHURRIED)
        connection.execute("select set_config('search_path', $1, true)", (address.schema,))
        found = []
        there = dict(connection.execute(_INDEXES).fetchall())
        if bad := sorted(name for name, good in there.items() if not good):
            found.append(IntegrityFinding("an index is not valid: build it anew with REINDEX", tuple(bad)))
        if missing := sorted(expected_indexes() - there.keys()):
            found.append(IntegrityFinding("an index is missing", tuple(missing)))
        for query, what in RULES.items():
            if rows := connection.execute(TEXTS[query]).fetchall():
                found.append(IntegrityFinding(what, tuple(str(row[0]) for row in rows)))
        broken = first_break(connection.execute(TEXTS["read_audit_chain"], (0, 2**62)))
        if broken is not None:
            found.append(IntegrityFinding(CHAIN, (f"row {broken}",)))
    except psycopg.Error as fault:
        raise translate(fault, address.shown) or fault from fault
    finally:
        connection.close()
    return found


def expected_indexes() -> set[str]:
    """Return the names of the indexes that the migrations make."""
    names: set[str] = set()
    for _, _, text in migrations():
        for verb, name in _INDEX.findall(text):
            if verb.lower() == "drop":
                names.discard(name)
            else:
                names.add(name)
    return names
