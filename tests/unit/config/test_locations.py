"""Where the file, the store and the spool live."""

from pathlib import Path

import pytest

from mainspring.config import find_spool_without_settings, load, locations
from mainspring.config.locations import hash_store_url
from mainspring.domain.errors import ConfigError
from mainspring.domain.text.server_url import redact_url

USER = 4_000_000_000 - 1  # no such user: its home folder comes from HOME alone


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def around(tmp_path, monkeypatch):
    """A user's surroundings, with the machine's own file out of reach."""
    monkeypatch.setattr(locations, "MACHINE_FILE", tmp_path / "etc" / "mainspring.toml")
    (tmp_path / "project" / "deep").mkdir(parents=True)
    return {"env": {"HOME": str(tmp_path / "home")}, "cwd": tmp_path / "project" / "deep", "uid": USER}


def test_file_is_searched_from_the_nearest_place_to_the_farthest(tmp_path, around):
    """Each nearer file hides the farther ones."""
    assert load(**around).file is None
    for path in ("etc/mainspring.toml", "home/.config/mainspring/mainspring.toml", "project/mainspring.toml"):
        assert load(**around).file != tmp_path / path
        put(tmp_path / path)
        assert load(**around).file == tmp_path / path
    near = put(tmp_path / "project/deep/mainspring.toml")
    assert load(**around).file == near
    around["env"]["MAINSPRING_CONFIG"] = str(put(tmp_path / "other.toml"))
    assert load(**around).file == tmp_path / "other.toml"
    assert load(**around, config=put(tmp_path / "named.toml")).file == tmp_path / "named.toml"


def test_file_of_the_user_follows_xdg_config_home(tmp_path, around):
    """XDG_CONFIG_HOME moves the user's folder; a relative one is ignored."""
    moved = put(tmp_path / "xdg/mainspring/mainspring.toml")
    around["env"]["XDG_CONFIG_HOME"] = "relative"
    assert load(**around).file is None
    around["env"]["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert load(**around).file == moved


@pytest.mark.parametrize("source", ["--config", "MAINSPRING_CONFIG"])
def test_named_file_must_exist(around, source):
    """A file that was named is never quietly replaced by another."""
    config = Path("gone.toml") if source == "--config" else None
    around["env"]["MAINSPRING_CONFIG"] = "gone.toml"
    with pytest.raises(ConfigError) as caught:
        load(**around, config=config)
    assert str(around["cwd"] / "gone.toml") in str(caught.value)
    assert source in str(caught.value)


def test_default_store_of_a_user_is_in_the_state_folder(tmp_path, around):
    """Without a file the store is below the state folder, its spool beside it."""
    settings = load(**around)
    assert settings.store.path == tmp_path / "home/.local/state/mainspring/state.db"
    assert settings.exec.spool == tmp_path / "home/.local/state/mainspring/state.db.spool"
    assert settings.folder == around["cwd"]
    around["env"]["XDG_STATE_HOME"] = "/state"
    assert load(**around).store.url == "sqlite:////state/mainspring/state.db"


def test_default_store_of_root_is_the_machine_s(around):
    """Root's store does not depend on whose variables it inherited."""
    around |= {"uid": 0}
    around["env"]["XDG_STATE_HOME"] = "/state"
    assert load(**around).store.path == Path("/var/lib/mainspring/state.db")


def test_user_without_a_home_gets_the_setting_to_use(around):
    """A container's nameless user gets one clear line, and none when the store is named."""
    around["env"].clear()
    with pytest.raises(ConfigError, match="MAINSPRING_STORE_URL"):
        load(**around)
    around["env"]["MAINSPRING_STORE_URL"] = "/data/s.db"
    assert load(**around).store.path == Path("/data/s.db")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/s.db", "project/var/s.db"),
        ("var/s.db", "project/var/s.db"),
        ("../s.db", "s.db"),
        ("sqlite:///~/s.db", "home/s.db"),
        ("~/s.db", "home/s.db"),
    ],
)
def test_store_url_counts_from_the_folder_of_its_file(tmp_path, around, url, path):
    """The same file names the same store from wherever a command is typed."""
    put(tmp_path / "project/mainspring.toml", f'[store]\nurl = "{url}"')
    assert load(**around).store.path == tmp_path / path


def test_store_url_of_variable_and_flag_counts_from_the_working_folder(around):
    """What is typed here means a place from here."""
    around["env"]["MAINSPRING_STORE_URL"] = "s.db"
    assert load(**around).store.path == around["cwd"] / "s.db"
    assert load(**around, flags={"store.url": "sqlite:///f.db"}).store.path == around["cwd"] / "f.db"
    assert load(**around, flags={"store.url": "sqlite:////abs/f.db"}).store.url == "sqlite:////abs/f.db"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:hunter2@h/db", "mysql://"),
        ("sqlite://s.db", "sqlite://"),
        ("sqlite:///", "does not name a file"),
        ("var/", "does not name a file"),
        ("sqlite:///:memory:", "not a regular file"),
        (":memory:", "not a regular file"),
        ("sqlite:///s.db?mode=ro", "not a regular file"),
        ("postgresql:/u:hunter2@h/db", "an address of a server"),
        ("host=h dbname=db password=hunter2", "an address of a server"),
        ("user=u password=hunter2", "an address of a server"),
        ("u:hunter2@h:5432/db", "an address of a server"),
    ],
)
def test_store_url_of_another_form_is_refused(around, url, reason):
    """The error says which forms there are, and repeats no password."""
    with pytest.raises(ConfigError) as caught:
        load(**around, flags={"store.url": url})
    assert reason in caught.value.message
    assert "`store.url`" in caught.value.message
    assert "set by flag" in caught.value.message
    assert "sqlite:///relative.db" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_automations_count_from_the_file_and_modules_stay(tmp_path, around):
    """Files and patterns become absolute; a module's name is a name."""
    put(
        tmp_path / "project/mainspring.toml",
        '[project]\nautomations = ["auto/*.py", "scripts.toml", "one.py", "billing.auto", "/x/y.py"]',
    )
    project = tmp_path / "project"
    assert load(**around).project.automations == (
        f"{project}/auto/*.py",
        f"{project}/scripts.toml",
        f"{project}/one.py",
        "billing.auto",
        "/x/y.py",
    )


def test_backup_and_spool_count_from_the_file(tmp_path, around):
    """Every path in a file follows the one rule."""
    put(tmp_path / "project/mainspring.toml", '[store]\nbackup = { to = "b" }\n[exec]\nspool = "~/spool"')
    settings = load(**around)
    assert settings.store.backup.to == tmp_path / "project/b"
    assert settings.exec.spool == tmp_path / "home/spool" / hash_store_url(settings.store.url, {})


def test_loading_creates_nothing(tmp_path, around):
    """Reading the settings leaves the disk as it was."""
    before = sorted(tmp_path.rglob("*"))
    load(**around)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("url", "displayed"),
    [
        ("postgresql://u:hunter2@h:5432/db?schema=s", "postgresql://u@h:5432/db?schema=s"),
        ("postgres://u@h/db", "postgres://u@h/db"),
        ("postgresql://h/db?password=hunter2&sslmode=require", "postgresql://h/db?sslmode=require"),
        ("postgresql://h/db?user=u&password=hunter2", "postgresql://h/db?user=u&"),
        ("postgresql://:hunter2@h/db", "postgresql://@h/db"),
        ("postgresql://u:hunter2:hunter2@h/db", "postgresql://u@h/db"),
        (
            "postgresql://u@h1:5432,h2:5433/db?sslpassword=hunter2&schema=s",
            "postgresql://u@h1:5432,h2:5433/db?schema=s",
        ),
    ],
)
def test_a_servers_url_is_kept_whole_and_displayed_without_its_password(around, url, displayed):
    """What connects needs the password, what a person reads must not have it."""
    settings = load(**around, flags={"store.url": url})
    assert settings.store.url == url
    assert settings.store.location == displayed
    assert "hunter2" not in str(settings.describe())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:hunter2/rest@h:5432/db", "write %2F"),
        ("postgresql://u:hunter2?rest@h/db", "%3F"),
        ("postgresql://u:hunter2#rest@h/db", "'#' that must be written %23"),
        ("postgresql://u:hunter2@rest@h/db", "'@' that must be written %40"),
        ("postgresql://u:hunter2[rest@h/db", "'[' that must be written %5B"),
        ("postgresql://u:hunter2%rest@h/db", "'%' that must be written %25"),
        ("postgresql://u:hunter2 rest@h/db", "' ' that must be written %20"),
        ("postgresql://u@h:hunter2/db", "port is not a number"),
    ],
)
@pytest.mark.parametrize("key", ["store.url", "databases.orders.url"])
def test_a_servers_url_that_would_be_taken_apart_wrongly_is_refused_and_not_repeated(around, key, url, reason):
    """A password as it is would be taken for host, port or database, and told in an error: nothing of it is said."""
    with pytest.raises(ConfigError) as caught:
        load(**around, flags={key: url})
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "rest" not in str(caught.value)
    assert "hunter2" not in redact_url(url) or "@h:" in url


@pytest.mark.parametrize(
    ("url", "environment", "other"),
    [
        ("sqlite:////a/s.db", "production", "sqlite:////a/s.db"),
        ("sqlite:////a/s.db", "development", "sqlite:////a/s-development.db"),
        ("postgresql://h/db", "production", "postgresql://h/db"),
        ("postgresql://h/db", "my-dev", "postgresql://h/db?schema=mainspring_my_dev"),
        ("postgresql://h/db?schema=s&sslmode=require", "dev", "postgresql://h/db?schema=s_dev&sslmode=require"),
    ],
)
def test_each_environment_has_a_store_of_its_own(url, environment, other):
    """Another file, or another schema of the same database."""
    assert locations.store_url_for_environment(url, environment) == other


def test_white_space_around_an_address_is_none_of_it(around):
    """It comes with what was pasted, or read from a file."""
    assert load(**around, flags={"store.url": " postgresql://h/db\n"}).store.url == "postgresql://h/db"


@pytest.mark.parametrize("url", ["postgresql:/u:hunter2@h/db", "postgres:u:hunter2@h/db"])
def test_an_address_that_lacks_a_slash_is_no_file(around, url):
    """Else a folder would be made that has the password in its name."""
    with pytest.raises(ConfigError) as refused:
        load(**around, flags={"store.url": url})
    assert "hunter2" not in str(refused.value)


SAME_SERVER = [
    "postgresql://ana:pw@DB.example:5432/shop?schema=mainspring&sslmode=require",
    "postgres://bob@db.example/shop",
    "postgresql:///shop?host=db.example&port=5432",
]


def test_store_mark_names_a_store_however_it_is_written(tmp_path):
    """Who signs in is no part of it; database, schema, port and what libpq fills in from variables are."""
    assert len({hash_store_url(url, {}) for url in SAME_SERVER}) == 1
    assert hash_store_url("postgresql:///shop", {"PGHOST": "db.example"}) == hash_store_url(SAME_SERVER[0], {})
    assert hash_store_url("postgresql://db.example", {"PGDATABASE": "shop"}) == hash_store_url(SAME_SERVER[0], {})
    other_places = [
        f"{SAME_SERVER[1]}?schema=b",
        "postgresql://db.example:5433/shop",
        "postgresql://db.example/b",
        "sqlite:////shop",
    ]
    assert len({hash_store_url(url, {}) for url in (*other_places, SAME_SERVER[0])}) == 5
    (tmp_path / "link").symlink_to(tmp_path)
    assert hash_store_url(f"sqlite:///{tmp_path}/link/s.db", {}) == hash_store_url(f"sqlite:///{tmp_path}/s.db", {})


def test_spool_of_a_server_belongs_to_one_store(around):
    """Two projects of one user never share the folder, named or not."""
    spools = []
    for named in ({}, {"MAINSPRING_EXEC_SPOOL": "/var/spool/ms"}):
        for url in ("postgresql://db/a", "postgresql://db/b"):
            spools.append(load(**around | {"env": around["env"] | named | {"MAINSPRING_STORE_URL": url}}).exec.spool)
    assert len(set(spools)) == 4
    assert [spool.parent for spool in spools[2:]] == [Path("/var/spool/ms")] * 2


def test_spool_without_settings_is_that_of_the_store_that_is_named(tmp_path, around):
    """Whatever else is wrong: the store is named by flag, variable or file."""
    file = put(tmp_path / "project/mainspring.toml", '[store]\nurl = "own.db"\n[exec]\nspoool = "x"\n')
    project_spool = tmp_path / "project/own.db.spool"
    found = find_spool_without_settings(**around, flags={}, config=file)
    assert (found.folder, found.is_of_store, found.store_folder) == (project_spool, True, project_spool.parent)
    around["env"] |= {"MAINSPRING_STOER_URL": "/x/b.db"}
    assert find_spool_without_settings(**around, flags={}, config=file) == found
    flags = {"store.url": "/x/a.db", "project.environment": "blue"}
    assert find_spool_without_settings(**around, flags=flags, config=None).folder == Path("/x/a.db.spool")
    around["env"]["MAINSPRING_STORE_URL"] = "postgresql://db/a"
    found = find_spool_without_settings(**around, flags={}, config=None)
    assert (found.folder.name, found.is_of_store) == (f"spool-{hash_store_url('postgresql://db/a', {})}", True)


@pytest.mark.parametrize("text", ["[store\n", '[store]\nurl = "mysql://x"\n', None])
def test_spool_without_settings_belongs_to_no_store_where_none_is_named(tmp_path, around, text):
    """Each broken configuration has a folder of its own, that no store accepts: it might be another project's."""
    if text is not None:
        put(tmp_path / "project/mainspring.toml", text)
    folders = set()
    for url in ("/x/a.db", "/x/b.db"):
        env = around["env"] | {"MAINSPRING_STOER_URL": url}
        found = find_spool_without_settings(**around | {"env": env}, flags={}, config=None)
        assert not found.is_of_store
        assert found.folder.parent == tmp_path / "home/.local/state/mainspring"
        folders.add(found.folder)
    assert len(folders) == 2
