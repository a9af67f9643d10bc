"""Options of actions that reach them as `**options`: their names, and those of the parameters that a misspelt option may mean."""

import inspect
import sys
from collections.abc import Iterable

from mainspring import actions
from mainspring.domain.errors import UnknownOptionError


def require_known_options(action: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UnknownOptionError for a name that is not known; it proposes parameters of the action, such as `once`, as well."""
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        family, _, function = action.partition(".")
        parameters = inspect.signature(getattr(sys.modules[f"{actions.__name__}.{family}"], function)).parameters
        own = [name for name, parameter in parameters.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
        raise UnknownOptionError(action, unknown, [*own, *known])
