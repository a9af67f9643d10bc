"""Import of an object that a configuration names as "module:name"."""

import importlib
import sys
from functools import reduce
from pathlib import Path
from typing import Any


def import_named_object(name: str, folder: Path) -> Any:
    """Return the object named "module:name". Modules are also imported from `folder`. Raises whatever the import raises."""
    module, _, attribute = name.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return reduce(getattr, attribute.split("."), importlib.import_module(module))
