"""Actions read the settings of the project that the process has, however it was found."""

from mainspring.actions import sql
from mainspring.actions.base.project_settings import read_secret
from mainspring.app.project import Project


def test_project_of_an_option_is_that_of_each_action(tmp_path, monkeypatch):
    """`--config` names a file that neither the folder nor the environment names."""
    monkeypatch.delenv("MAINSPRING_CONFIG", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "secrets").mkdir(mode=0o700)
    secret = tmp_path / "secrets" / "API"
    secret.touch(mode=0o600)
    secret.write_text("the secret of the project")
    file = tmp_path / "other.toml"
    file.write_text('[secrets]\ndir = "secrets"\n[databases]\nnumbers = "sqlite:///numbers.db"\n')
    (tmp_path / "numbers.db").touch()
    Project.find(config=file)
    assert read_secret("secret:API") == "the secret of the project"
    assert sql.query("numbers", "select 1 as a") == [{"a": 1}]
