"""Limits of the kernel for the start of a command: the size of one word or variable, and of all together."""

import os
from collections.abc import Mapping, Sequence

MAX_STRING_BYTES = 32 * os.sysconf("SC_PAGE_SIZE")
"""The limit of Linux for one word, and for one variable with its name."""


def count_variable_bytes(name: str, value: str) -> int:
    """Return the size of a variable as the kernel counts it: with its name, `=` and NUL."""
    return len(os.fsencode(name)) + len(os.fsencode(value)) + 2


def explain_limit(words: Sequence[str], env: Mapping[str, str]) -> tuple[str, str]:
    """Return what is too long for the start of a command, and the fix. No value is in them."""
    sizes = {f"the variable {name!r}": count_variable_bytes(name, value) for name, value in env.items()}
    sizes |= {f"its word {number}": len(os.fsencode(word)) + 1 for number, word in enumerate(words)}
    longest = max(sizes, key=lambda name: sizes[name])
    if sizes[longest] > MAX_STRING_BYTES:
        problem = f"{longest} has {sizes[longest]:,} bytes, and the kernel allows {MAX_STRING_BYTES:,}"
    else:
        problem = (
            f"its words and variables have {sum(sizes.values()):,} bytes together, which the kernel does not allow"
        )
    return (
        problem,
        "Pass it as a file or as input: exec --secret-file NAME, once --secret-file NAME, or shell.run(input=...).",
    )
