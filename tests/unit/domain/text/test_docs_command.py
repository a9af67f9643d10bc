"""The command that shows a page of the documentation."""

from mainspring.domain.text.docs_command import format_docs_command


def test_command_names_topic_and_section():
    """The section is optional."""
    assert format_docs_command("backups") == "mainspring docs show backups"
    assert format_docs_command("errors", "no_store") == "mainspring docs show errors#no_store"
