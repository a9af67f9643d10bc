"""Tokens of a model: pieces of text that are passed on while the model writes them."""

import inspect
from collections.abc import Callable
from typing import Any

Tokens = str | Callable[[str], object]
"""The name of a stream of the run, or a function, `def` or `async def`, of each piece."""


async def pass_token(tokens: Tokens, branch: Any, text: str) -> None:
    """Pass on a piece of text in the step that requests the model; `branch` = that of the agent. It waits while a stream is full."""
    written = branch.open_stream(tokens).write(text) if isinstance(tokens, str) else tokens(text)
    if inspect.isawaitable(written):
        await written
