"""List of the contracts: each action of the catalog has one, or changes nothing."""

import re
from pathlib import Path

from mainspring.actions.base.action_catalog import list_actions

_FOLDER = Path(__file__).parent
_CONTRACTS = {
    "backup.postgres": "backup/test_contracts.py backup/backup_steps.py",
    "backup.prune": "backup/test_contracts.py backup/backup_steps.py",
    "backup.sqlite": "backup/test_contracts.py backup/backup_steps.py",
    "chat.send": "test_message_contracts.py chat_actions.py",
    "email.send": "test_message_contracts.py message_actions.py",
    "files.archive": "files/test_contracts.py",
    "files.copy": "files/test_contracts.py",
    "files.ensure_folder": "files/test_contracts.py",
    "files.extract": "files/test_contracts.py",
    "files.move": "files/test_contracts.py",
    "files.prune": "files/test_contracts.py files/file_steps.py",
    "files.remove": "files/test_contracts.py files/file_steps.py",
    "files.rename": "files/test_contracts.py",
    "files.write": "files/test_contracts.py",
    "git.checkout": "git/test_contracts.py git/git_steps.py",
    "git.push": "git/test_contracts.py git/git_steps.py",
    "http.download": "http/test_contract.py http/example_http_actions.py",
    "http.ensure": "http/test_contract.py http/example_http_actions.py",
    "http.post": "http/test_contract.py http/example_http_actions.py",
    "http.request": "http/test_contract.py http/example_http_actions.py",
    "pagerduty.acknowledge": "test_message_contracts.py message_actions.py",
    "pagerduty.resolve": "test_message_contracts.py message_actions.py",
    "pagerduty.trigger": "test_message_contracts.py message_actions.py",
    "queue.publish": "test_queue.py queue_steps.py",
    "s3.download": "s3/test_contracts.py s3/s3_steps.py",
    "s3.put": "s3/test_contracts.py s3/s3_steps.py",
    "s3.sync": "s3/test_contracts.py s3/s3_steps.py",
    "s3.upload": "s3/test_contracts.py s3/s3_steps.py",
    "sftp.get": "sftp/test_sftp.py sftp/sftp_steps.py",
    "sftp.put": "sftp/test_sftp.py sftp/sftp_steps.py",
    "shell.run": "test_shell.py command_actions.py",
    "slack.post": "test_message_contracts.py message_actions.py",
    "slack.update": "test_message_contracts.py message_actions.py",
    "sql.bulk_load": "sql/test_contracts.py sql/sql_steps.py",
    "sql.insert_once": "sql/test_contracts.py sql/sql_steps.py",
    "sql.update_where": "sql/test_contracts.py sql/sql_steps.py",
    "sql.upsert": "sql/test_contracts.py sql/sql_steps.py",
}
"""The file of the contract of each action, and the module with the steps that the contract runs."""
_CHANGING_NOTHING = {
    "email.render",
    "files.checksum",
    "http.get",
    "http.paginate",
    "http.poll",
    "slack.escape",
    "sql.query",
}
_WITH_ANOTHER_METHOD = {"http.delete", "http.put"}
"""They are `http.request` with the name of the method."""


def test_each_action_that_changes_something_has_a_contract():
    """An async form has that of its plain form, because both run the same code."""
    actions = {entry.name.removesuffix("_async") for entry in list_actions()}
    waits = {name for name in actions if name.startswith("wait.")}
    assert actions == _CONTRACTS.keys() | _CHANGING_NOTHING | _WITH_ANOTHER_METHOD | waits


def test_contract_calls_its_action():
    """The file of the contract uses each step of its module that calls the action, or names the action itself."""
    for action, files in _CONTRACTS.items():
        contract, *steps = (_FOLDER / file for file in files.split())
        text = contract.read_text()
        assert "check_contract(" in text, action
        functions = [part for step in steps for part in re.split(r"\n(?=@|def |async def )", step.read_text())]
        called = re.compile(rf"\b{re.escape(action)}(_async)?\(")
        names = [found[1] for part in functions if called.search(part) and (found := re.search(r"def (\w+)", part))]
        assert [name for name in names if name in text] or re.search(rf"\b{re.escape(action)}\b", text), action
