"""Texts of the statements for SQLite, which runs the shared wording unchanged."""

from pathlib import Path
from typing import Final

from mainspring.store.texts import StatementTexts

TEXTS: Final = StatementTexts(Path(__file__).parent, str)
