"""What `psql` needs to look into a store: all of it by the environment, where nobody else can read it."""

from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from mainspring.store.postgres.address import Address


def environment(address: Address) -> dict[str, str]:
    """Return the variables of libpq for this address: in the store's schema, and in transactions that may only read."""
    given = conninfo_to_dict(address.conninfo)
    names = {one.keyword.decode(): one.envvar.decode() for one in Conninfo.get_defaults() if one.envvar}
    found = {names[key]: str(value) for key, value in given.items() if key in names}
    options = f"-c search_path={address.schema} -c default_transaction_read_only=on"
    return {**found, "PGOPTIONS": f"{given.get('options', '')} {options}".strip(), "PGTARGETSESSIONATTRS": "any"}
