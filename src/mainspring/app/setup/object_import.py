"""What a configuration names as "module:name", imported."""

import importlib
import sys
from functools import reduce
from pathlib import Path
from typing import Any


def import_named_object(name: str, folder: Path) -> Any:
    """Return what "module:name" is; modules are also looked for in `folder`. Raises whatever its import raises."""
    module, _, attribute = name.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return reduce(getattr, attribute.split("."), importlib.import_module(module))
