"""The statements as SQLite runs them: its own wording is ours."""

from typing import Final

from mainspring.store.texts import Texts

TEXTS: Final = Texts("mainspring.store.sqlite", str)
