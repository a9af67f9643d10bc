"""`mainspring flag`: the value of a flag for a shell script, by its exit code or on stdout."""

import pytest

from mainspring.domain.flags.flag import FlagKind, FlagReason
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.store.commands.flags import ChangeFlag
from mainspring.store.read.flags import list_flag_uses
from tests.contract.store.process import finish, outcome


def test_exit_code_is_the_value_of_a_boolean_flag(cli, stage):
    """Nothing is printed, so that it fits behind `if`; each question is counted."""
    stage.do(ChangeFlag("new-backup", FlagChange(allow=("host1",), attributes={"country": ("DE",)})))
    for arguments, code in (
        (("--by", "host1"), 0),
        (("--by", "host2"), 1),
        ((), 1),
        (("--attribute", "country=DE"), 0),
    ):
        result = cli("flag", "new-backup", *arguments)
        assert (result.code, result.out, result.err) == (code, "", ""), arguments
    assert sum(use.number for use in list_flag_uses(stage.store.reader, "new-backup", 0)) == 4


def test_value_of_another_type_is_printed(cli, stage):
    """A text without quotes, as a shell wants it; `--json` has all of it."""
    region = FlagChange(kind=FlagKind.STRING, on_value='"us east"', allow=("a",))
    stage.do(ChangeFlag("region", region))
    stage.do(ChangeFlag("limits", FlagChange(kind=FlagKind.JSON, on_value='{"n":1}', share=1_000_000)))
    on = cli("flag", "region", "--by", "a", "--default", '"eu"')
    assert (on.code, on.out) == (0, "us east\n")
    off = cli("flag", "region", "--by", "b", "--default", '"eu"')
    assert (off.code, off.out) == (1, "eu\n")
    bare = cli("flag", "region", "--by", "a")
    assert (bare.code, bare.out) == (0, "us east\n")
    assert (cli("flag", "region").code, cli("flag", "region").out) == (1, "")
    assert cli("flag", "limits", "--default", "{}").out == '{"n":1}\n'
    assert cli("flag", "region", "--by", "a", "--default", '""', "--json").json == {
        "flag": "region", "value": "us east", "side": "on", "reason": "allowed",
    }  # fmt: skip


def test_default_counts_and_the_reason_is_on_stderr(cli, stage, caplog):
    """An unknown flag, with the nearest name, and one of another type; all are counted."""
    stage.do(ChangeFlag("region", FlagChange(kind=FlagKind.STRING, on_value='"us"', share=1_000_000)))
    assert cli("flag", "nothing").code == 1
    assert "flag 'nothing': the default counts: there is no such flag" in caplog.text
    assert cli("flag", "regoin").code == 1
    assert "flag 'regoin': the default counts: there is no such flag; did you mean 'region'?" in caplog.text
    assert cli("flag", "nothing", "--default", "true").code == 0
    assert cli("flag", "region", "--default", "false").code == 1
    assert "its values are of another type than the default" in caplog.text
    reasons = {use.flag: use.reason for use in list_flag_uses(stage.store.reader, None, 0)}
    assert reasons == {"nothing": FlagReason.UNKNOWN, "regoin": FlagReason.UNKNOWN, "region": FlagReason.KIND_MISMATCH}


def test_default_counts_without_a_store(cli, caplog):
    """The script continues as it was written."""
    assert cli("flag", "new-backup").code == 1
    assert cli("flag", "new-backup", "--default", "true").code == 0
    assert "flag 'new-backup': the default counts: " in caplog.text


def test_answer_of_the_body_is_displayed_with_its_run(cli, stage):
    """A reader sees why the run took its path."""
    run = stage.begin()
    stage.do(outcome(run, 1, "flag:mailer#1", name="mailer", kind=OutcomeKind.FLAG, output=b"true"))
    stage.do(finish(run))
    assert "mailer" in cli("runs", "show", run.id).out
    assert "(flag: true)" in cli("runs", "show", run.id).out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("flag", "f", "--attribute", "country"), "expected NAME=VALUE"),
        (("flag", "f", "--attribute", "=DE"), "expected NAME=VALUE"),
        (("flag", "f", "--default", "red"), "--default"),
        (("flag", ""), "not a valid name"),
    ],
)
def test_bad_arguments_of_a_question_are_refused(cli, arguments, text):
    """With 2: neither on nor off."""
    result = cli(*arguments)
    assert result.code == 2
    assert text in result.err
