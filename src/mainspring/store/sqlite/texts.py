"""The statements as SQLite runs them: its own wording is ours."""

from pathlib import Path
from typing import Final

from mainspring.store.texts import StatementTexts

TEXTS: Final = StatementTexts(Path(__file__).parent, str)
