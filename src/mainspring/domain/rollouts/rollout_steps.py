"""The steps of a rollout as text: shares that grow to all keys."""

from collections.abc import Sequence

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.flags.flag_text import format_share, parse_share

DEFAULT_STEPS = "1%,5%,25%,100%"
MAX_STEPS = 20


def parse_steps(text: str) -> tuple[int, ...]:
    """Return the shares of a list such as "1%,5%,25%,100%", in millionths.

    Raises:
        OptionError: a share cannot be read, they do not grow, or the last one is not 100 %.
    """
    return check_steps([parse_share(part.strip()) for part in text.split(",")])


def check_steps(steps: Sequence[int]) -> tuple[int, ...]:
    """Return steps that grow from above 0 to all keys.

    Raises:
        OptionError: they do not, or there are too many.
    """
    listed = ", ".join(format_share(step) for step in steps)
    if len(steps) > MAX_STEPS:
        raise OptionError(f"a rollout has at most {MAX_STEPS} steps, got {len(steps)}", hint=f"Try {DEFAULT_STEPS}.")
    if not steps or min(steps) <= 0 or list(steps) != sorted(set(steps)):
        raise OptionError(
            f"the steps {listed} do not grow", hint=f"Each step is above 0 % and above the one before: {DEFAULT_STEPS}"
        )
    if steps[-1] != SHARE_UNITS:
        raise OptionError(
            f"the steps {listed} do not end with 100 %", hint=f"Add 100% as the last step: {DEFAULT_STEPS}"
        )
    return tuple(steps)
