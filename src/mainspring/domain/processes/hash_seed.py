"""The hash seed of this process: a workflow that iterates a set of text may take another order under another seed.

The seed cannot change while Python runs. So a session and each run that begins record a fingerprint of it, and a process whose seed is
drawn at random reports it.
"""

import os
import sys
from typing import Final

HASH_SEED_FIX: Final = "start Python with PYTHONHASHSEED=0 in its environment: PYTHONHASHSEED=0 python FILE"
_PROBE = "mainspring"


def hash_seed_fingerprint() -> str:
    """Return a fingerprint that two processes of one kind of Python share if, and only if, their hash seed is the same."""
    return f"{hash(_PROBE) & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def has_random_hash_seed() -> bool:
    """Return whether the seed of this process was drawn at random."""
    return bool(sys.flags.hash_randomization) and os.environ.get("PYTHONHASHSEED", "random") in ("", "random")
