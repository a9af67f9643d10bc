"""How `mainspring up` is called for the code and the store of a run."""

import msgspec
import pytest

from mainspring.app.setup.up_command import make_up_command
from mainspring.config import load
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.store.views import AutomationView


@pytest.fixture
def settings_of(tmp_path):
    """Return the settings of a project that names this code."""
    (tmp_path / "ship.py").touch()

    def read(automations="[]", **flags):
        (tmp_path / "mainspring.toml").write_text(f"[project]\nautomations = {automations}\n")
        return load(env={"HOME": str(tmp_path)}, cwd=tmp_path, uid=1000, flags=flags)

    return read


def view(file, module="", kind=DefinitionKind.TASK):
    definition = Definition(kind=kind, name="ship", module=module, file=str(file))
    data = msgspec.json.encode(definition.to_data())
    return AutomationView("ship", "task", 1, data, "f", 1, None, None, None, None, None, None, 0)


def test_up_names_the_file_that_the_configuration_does_not_name(settings_of, tmp_path):
    """From the folder of the caller; a file elsewhere by its whole path."""
    command = make_up_command(settings_of(), folder=str(tmp_path))
    assert command.start(view(tmp_path / "ship.py")) == "mainspring up -m ship.py"
    assert command.start(view("/srv/my jobs/ship.py")) == "mainspring up -m '/srv/my jobs/ship.py'"
    assert command.restart(view(tmp_path / "ship.py")) == "mainspring down; mainspring up -m ship.py"


@pytest.mark.parametrize("automations", ['["ship.py"]', '["*.py"]', '["shop.jobs"]', '["shop"]'])
def test_up_needs_no_file_that_the_configuration_names(settings_of, tmp_path, automations):
    """By its path, by a pattern, or as a module, itself or a package around it."""
    command = make_up_command(settings_of(automations), folder=str(tmp_path))
    assert command.start(view(tmp_path / "ship.py", "shop.jobs")) == "mainspring up"
    assert command.start(view(tmp_path / "other.py", "shopping.jobs")).endswith(" -m other.py")


@pytest.mark.parametrize("automation", [None, view(""), view("/bin/backup", kind=DefinitionKind.EXEC)])
def test_up_names_no_file_where_none_is_on_record(settings_of, automation):
    """Of what was never announced, nothing is known; a wrapped command needs no worker."""
    assert make_up_command(settings_of()).start(automation) == "mainspring up"


def test_up_names_the_store_that_the_command_line_named(settings_of):
    """A URL with a password in it is not printed."""
    flags = {"store.url": "x.db"}
    command = make_up_command(settings_of(**flags), store="x.db")
    assert command.restart(None) == "mainspring --store x.db down; mainspring --store x.db up"
    for url in ("postgresql://ops:hunter2@db/jobs", "postgresql://ops@db/jobs"):
        flags = {"store.url": url}
        assert ("--store" in make_up_command(settings_of(**flags), store=url).start(None)) == ("hunter2" not in url)
