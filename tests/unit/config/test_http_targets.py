"""`[actions.http.targets]`: limits by host, and what is refused."""

import pytest

from mainspring.domain.effects.target_limits import TargetLimits
from mainspring.domain.errors import ConfigError


def test_targets_are_named_by_text_or_table(read):
    """Bare text is the rate."""
    text = '[actions.http.targets]\n"a.example" = { rate = "100/m", break_after = 5 }\n"*" = "20/s"\n'
    targets = read(text).actions.http.targets
    assert {host: target.limits for host, target in targets.items()} == {
        "a.example": TargetLimits(100, 60_000, 5),
        "*": TargetLimits(20, 1_000, 0),
    }


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('"A.example" = "1/s"', 'Write "a.example"'),
        ('"a.example:80" = "1/s"', "not a name of a host"),
        ('"https://a.example" = "1/s"', "not a name of a host"),
        ('"a.example" = {}', "it has no limit"),
        ('"a.example" = "often"', "is not a rate"),
        ('"a.example" = { break_after = 0 }', "expected int >= 1"),
        ('"a.example" = { brake_after = 5 }', "break_after"),
    ],
)
def test_entry_that_cannot_be_used_is_refused(read, entry, problem):
    """With its place and the fix."""
    with pytest.raises(ConfigError) as caught:
        read(f"[actions.http.targets]\n{entry}\n")
    assert problem in f"{caught.value}"
    assert "actions.http.targets" in f"{caught.value}"
