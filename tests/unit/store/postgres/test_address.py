"""Addresses of servers as people write them, also wrongly: no password is repeated, and what libpq is to read is left as it was written."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from mainspring.config.locations import store_url_for_environment
from mainspring.domain.errors import ConfigError
from mainspring.domain.text.server_url import redact_url
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.effect_database import PostgresEffectDatabase

MISTAKES = [
    "postgresql://u:p%zzhunter2@h/db",
    "postgresql://u:hun ter2@h/db",
    "postgresql://u:hunter2/rest@h/db",
    "postgresql://u:12/hunter2@h/db",
    "postgresql://u:hunter2?rest@h/db",
    "postgresql://u:hunter2@rest@h/db",
    "postgresql://u:hunter2@h:port/db",
    "postgresql://u:hunter2@[::1/db",
    "postgresql://u:hunter2\0@h/db",
    "postgresql://u:hunter2@h/db?schema=a&schema=b",
    "postgresql://u@h/db?password=hunter2%zz",
]


@pytest.mark.parametrize("url", MISTAKES)
def test_a_mistake_in_an_address_is_reported_without_its_password(url):
    """The error says what is wrong and how it is written, and repeats nothing that may be secret; nor does what is shown of it."""
    with pytest.raises(ConfigError) as refused:
        read_address(url)
    message = str(refused.value)
    assert not any(part in message for part in ("hunter2", "hun ter2", "rest"))
    assert not any(part in redact_url(url) for part in ("hunter2", "hun ter2", "rest"))
    with pytest.raises(ConfigError) as refused:
        PostgresEffectDatabase("books", url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "key", "value"),
    [
        ("postgresql://u@h/db?options=-c%20geqo%3Doff", "options", "-c geqo=off"),
        ("postgresql:///db?host=/run/postgresql", "host", "/run/postgresql"),
        ("postgresql://%2Frun%2Fpostgresql/db", "host", "/run/postgresql"),
        ("postgresql://u:a%2Bb%2520c@h/db", "password", "a+b%20c"),
        ("postgresql://u@h/db?password=a+b", "password", "a+b"),
    ],
)
@pytest.mark.parametrize("environment", ["production", "dev"])
def test_libpq_reads_an_address_as_it_was_written(url, key, value, environment):
    """Only the schema is taken out of it."""
    address = read_address(store_url_for_environment(url, environment))
    assert conninfo_to_dict(address.conninfo)[key] == value
    assert address.schema == ("mainspring" if environment == "production" else "mainspring_dev")


@pytest.mark.parametrize(
    ("url", "service", "password"),
    [
        ("postgresql://u@h/d", None, "of-the-environment"),
        ("postgresql://u:own@h/d", None, "own"),
        ("postgresql://u@h/d?service=s", None, None),
        ("postgresql://u@h/d", "s", None),
    ],
)
def test_password_of_the_environment_stays_what_libpq_takes(monkeypatch, url, service, password):
    """An address that names one wins, and a service file is left to libpq."""
    if service is not None:
        monkeypatch.setenv("PGSERVICE", service)
    address = read_address(url, password="of-the-environment")
    assert conninfo_to_dict(address.conninfo).get("password") == password
    assert "of-the-environment" not in repr(address)
