"""Version numbers of automations."""

from typing import Final

MAX_VERSION: Final = 2**31 - 1
"""The highest version number, as databases store it."""
