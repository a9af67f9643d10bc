"""One call of exec put together: where its story goes."""

import pytest

from mainspring.app.exec.plan import ExecPlan
from mainspring.app.exec.process import ExecProcess
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.engine.commands.exec_run import ExecRunSpec
from mainspring.engine.definitions.command_definition import build_command_definition
from mainspring.service.spool import Spool


@pytest.mark.parametrize("name", ["letters", "letter"])
def test_nothing_is_created_next_to_a_file_that_is_no_store(tmp_path, name):
    """A folder or a letter named as the store keeps its surroundings as they are; the record waits in the usual spool."""
    shop = tmp_path / "shop"
    (shop / "letters").mkdir(parents=True)
    (shop / "letter").write_text("Dear customer, " * 200)
    usual = Spool(tmp_path / "usual")
    plan = ExecPlan(
        wrapping=ExecRunSpec(
            definition=build_command_definition(DefinitionKind.EXEC, "x", ["true"], {}), words=["true"]
        ),
        store=shop / name,
        spool=shop / f"{name}.spool",
        spare_spool=usual.folder,
        store_folder=shop,
        lock="l",
    )
    assert ExecProcess(plan).run() == 0
    assert len(usual.names()) == 1
    assert sorted(path.name for path in shop.iterdir()) == ["letter", "letters"]


def test_record_that_no_store_is_known_for_is_reported(tmp_path, capfd):
    """It waits for a person: the configuration could not be read."""
    plan = ExecPlan(
        wrapping=ExecRunSpec(
            definition=build_command_definition(DefinitionKind.EXEC, "x", ["true"], {}), words=["true"]
        ),
        store=None,
        spool=tmp_path / "unclaimed-1",
        claimed=False,
    )
    assert ExecProcess(plan).run() == 0
    assert len(Spool(tmp_path / "unclaimed-1").names()) == 1
    assert "a valid configuration imports its record" in capfd.readouterr().err
