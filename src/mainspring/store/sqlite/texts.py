"""The statements as SQLite runs them: its own wording is ours."""

from pathlib import Path
from typing import Final

from mainspring.store.texts import Texts

TEXTS: Final = Texts(Path(__file__).parent, str)
