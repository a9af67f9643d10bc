"""Text for the system: paths, words of commands and variables, which cannot hold every Python text."""

import os


def explain_bad_text(value: object) -> str | None:
    """Return why a value cannot be passed to the system, as the rest of a sentence; None if it can."""
    if not isinstance(value, str):
        return f"is not a text (got {type(value).__name__})"
    if "\0" in value:
        return "has a NUL"
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        return f"has a lone surrogate at character {error.start}"
    return None
