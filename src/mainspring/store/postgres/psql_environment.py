"""The environment of `psql` for a look into a store: variables only, which no other user can read."""

from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from mainspring.store.postgres.address import Address


def environment(address: Address) -> dict[str, str]:
    """Return libpq's variables for this address: the store's schema, and read-only transactions."""
    parameters = conninfo_to_dict(address.conninfo)
    names = {option.keyword.decode(): option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
    variables = {names[key]: str(value) for key, value in parameters.items() if key in names}
    options = f"-c search_path={address.schema} -c default_transaction_read_only=on"
    return {
        **variables,
        "PGOPTIONS": f"{parameters.get('options', '')} {options}".strip(),
        "PGTARGETSESSIONATTRS": "any",
    }
