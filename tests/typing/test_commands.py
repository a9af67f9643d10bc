"""Commands carry the type of their answer, from the handler to every caller."""

from tests.typing.test_api import check_types


def test_commands_have_the_pinned_answers():
    """Right uses have exactly the pinned types; a wrong handler, callback or use of an answer is an error."""
    check_types("tests/typing/commands.py")
