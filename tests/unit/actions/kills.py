"""How often the contract of an action kills and cancels it in a test."""

import os

KILLS = None if os.environ.get("TESTS_LONG") == "1" else 5
"""Places at which each action is disturbed; None = each line of its function and each commit."""
