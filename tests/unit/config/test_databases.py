"""The user's own databases: how they are named, whose they are in which environment, what is refused."""

import pytest

from mainspring.config import DatabaseSettings
from mainspring.config.due_secrets import list_secret_uses
from mainspring.domain.errors import ConfigError


def test_databases_are_named_by_text_or_table(tmp_path, read):
    """Bare text is the url; relative files count from the file's folder; each value tells its source."""
    settings = read('[databases]\ndefault = "sqlite:///app.db"\norders = { url = "/x/orders.db" }\n')
    assert settings.databases == {
        "default": DatabaseSettings(url=f"sqlite:///{tmp_path}/app.db"),
        "orders": DatabaseSettings(url="sqlite:////x/orders.db"),
    }
    assert settings.databases["default"].path == tmp_path / "app.db"
    assert ("databases.orders.url", "sqlite:////x/orders.db", f"{tmp_path}/mainspring.toml:3") in settings.describe()


def test_databases_are_none_without_a_word_about_them(read):
    """No one needs one, and none is made up."""
    assert read().databases == {}


def test_database_is_set_by_a_variable(read):
    """A variable names a file over the file's own, and can add a database."""
    env = {"MAINSPRING_DATABASES_DEFAULT": "/x/a.db", "MAINSPRING_DATABASES_MORE__URL": "/x/b.db"}
    settings = read('[databases]\ndefault = "app.db"', env)
    assert {name: str(database.path) for name, database in settings.databases.items()} == {
        "default": "/x/a.db",
        "more": "/x/b.db",
    }


def test_databases_of_another_environment_are_its_own(tmp_path, read):
    """What the file names for all is production's; one's own table, variable or flag is taken as it is."""
    text = '[databases]\na = "app.db"\nb = "app.db"\n[environments.blue.databases]\nb = "blue.db"\n'
    settings = read(text, flags={"project.environment": "blue"})
    assert settings.databases["a"].path == tmp_path / "app-blue.db"
    assert settings.databases["b"].path == tmp_path / "blue.db"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[databases.a]", "`databases.a.url`: it names no database\nset by FILE:1"),
        (
            '[store]\nurl = "app.db"\n[databases]\na = "app.db"',
            "`databases.a.url`: this is the store of Mainspring itself\nset by FILE:4",
        ),
        (
            '[store]\nurl = "postgresql://h/d"\n[databases]\na = "postgresql://h/d"',
            "`databases.a.url`: this is the store of Mainspring itself\nset by FILE:4",
        ),
        ("[databases]\na = { path = 1 }", "unknown setting `databases.a.path`"),
    ],
    ids=["no file", "store", "store on a server", "unknown key"],
)
def test_database_that_cannot_be_used_is_refused(tmp_path, read, text, reason):
    """The message names the key and the line."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert reason in str(caught.value).replace(str(tmp_path / "mainspring.toml"), "FILE")


def test_database_on_a_server_has_a_schema_of_its_own_for_each_environment(read):
    """Production has the role's own schema or the one that is named; another environment one beside it."""
    text = '[databases]\na = "postgresql://u@h/d"\nb = "postgresql://u@h/d?schema=app"\n'
    assert [database.url for database in read(text).databases.values()] == [
        "postgresql://u@h/d",
        "postgresql://u@h/d?schema=app",
    ]
    blue = read(text, flags={"project.environment": "blue"})
    assert [database.url for database in blue.databases.values()] == [
        "postgresql://u@h/d?schema=public_blue",
        "postgresql://u@h/d?schema=app_blue",
    ]


def test_address_of_a_database_may_name_secrets(read):
    """One on a server; each environment has its own schema all the same."""
    text = '[databases]\na = "postgresql://u:{secret:SHOP_DB}@h/d"\n'
    assert read(text).databases["a"].url == "postgresql://u:{secret:SHOP_DB}@h/d"
    (database,) = read(text, flags={"project.environment": "blue"}).databases.values()
    assert database.url == "postgresql://u:{secret:SHOP_DB}@h/d?schema=public_blue"
    assert list(list_secret_uses(read(text))) == [("SHOP_DB", "database a")]
    with pytest.raises(ConfigError, match="a file has no secret"):
        read('[databases]\na = "sqlite:///{secret:SHOP_DB}.db"\n')


def test_password_of_a_database_is_not_displayed(read):
    """The description of the settings leaves it out."""
    settings = read('[databases]\na = "postgresql://u:s3cret@h/d"\n')
    assert "s3cret" not in str(settings.describe())
