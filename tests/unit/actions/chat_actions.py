"""A function of a user that sends by apprise: the contract runs it as a step, in processes of its own."""

from mainspring.actions import chat
from mainspring.integrations.apprise import import_apprise

import_apprise().Apprise.instantiate("json://127.0.0.1")
"""Loads all services here, because each case of the contract is forked from a process that has imported this file."""


def send_text(number: int) -> None:
    """A text with a key."""
    chat.send("TEAM", f"Report {number}", "All is done.", once=f"report:{number}")
