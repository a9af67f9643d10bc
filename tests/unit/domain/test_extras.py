"""The command that installs an extra works for the Mainspring that is installed: from a checkout, a folder, or an index."""

import json
from importlib import metadata
from types import SimpleNamespace

import pytest

from mainspring.domain import extras


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ({"url": "file:///srv/mainspring", "dir_info": {"editable": True}}, "pip install -e '/srv/mainspring[nats]'"),
        ({"url": "file:///srv/my%20checkout", "dir_info": {}}, "pip install '/srv/my checkout[nats]'"),
        ({"url": "file:///srv/it's", "dir_info": {}}, """pip install '/srv/it'"'"'s[nats]'"""),
        ({"url": "https://example.com/m.git", "vcs_info": {"vcs": "git"}}, "pip install 'mainspring[nats]'"),
        ({"url": "file:///tmp/mainspring-0.1.whl", "archive_info": {}}, "pip install 'mainspring[nats]'"),
        (None, "pip install 'mainspring[nats]'"),
        ("no object", "pip install 'mainspring[nats]'"),
    ],
)
def test_command_names_where_mainspring_came_from(monkeypatch, message, command):
    """An index has it after a release only."""
    text = None if message is None else json.dumps(message)
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda file: text))
    extras._source.cache_clear()
    assert extras.install_command("nats") == command
    extras._source.cache_clear()


def test_command_of_what_is_not_installed_at_all(monkeypatch):
    """Run from its source folder: nothing is known of it."""

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    extras._source.cache_clear()
    assert extras.install_command("oidc") == "pip install 'mainspring[oidc]'"
    extras._source.cache_clear()
