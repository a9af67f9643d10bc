"""A rollout divides keys by a documented hash, and no key changes its version while the share grows."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout, hash_rollout_key
from mainspring.domain.rollouts.rollout_steps import MAX_STEPS, check_steps, parse_steps
from mainspring.domain.states import ROLLOUT_MOVES, RolloutMove, RolloutState

VECTORS = [
    ("order", 2, "ann", "a65952f320c035d8364be5a85cd993c8", "e6789fe6c9971b7b"),
    ("order", 3, "ann", "a65952f320c035d8364be5a85cd993c8", "b3fb3b92e8ca2f14"),
    ("rechnung-ä", 2, "käthe", "e070dd8e73e39ed165db0ea7e8f7a726", "fb1cbe6a6187ae8a"),
    ("order", 2, "r_00000000000000000000000000", "daa5e45dfc9788ac3c095bd148f97d22", "163082f3a7f9b88c"),
]
"""Name, new version, key, hash of the key, and the bucket in hexadecimal: printf 'NAME\\0VERSION\\0HASH' | sha256sum."""


def make_rollout(name="order", version=2, share=SHARE_UNITS):
    """Return a running rollout whose step has this share."""
    return Rollout(
        *(1, name, version - 1, version, "f", (share,), 0, 1_000, InFlightPolicy.FINISH, 60_000, 50_000),
        *(RolloutState.RUNNING, 0, 0),
    )


@pytest.mark.parametrize(("name", "version", "key", "hashed", "digits"), VECTORS)
def test_bucket_is_that_of_the_documents(name, version, key, hashed, digits):
    """Another program can compute the same version."""
    assert hash_rollout_key(name, key) == hashed
    share = int(digits, 16) * SHARE_UNITS // 2**64
    assert make_rollout(name, version, share).choose_version(hashed) == version - 1
    assert make_rollout(name, version, share + 1).choose_version(hashed) == version


@given(key=st.text(max_size=20), shares=st.lists(st.integers(0, SHARE_UNITS), min_size=2, max_size=5))
def test_key_keeps_the_new_version_while_the_share_grows(key, shares):
    """A greater share only adds keys. None has none, all has all."""
    hashed = hash_rollout_key("order", key)
    versions = [make_rollout(share=share).choose_version(hashed) for share in [0, *sorted(shares), SHARE_UNITS]]
    assert versions == sorted(versions)
    assert (versions[0], versions[-1]) == (1, 2)


def test_share_of_100_000_keys_is_exact_within_three_sigma():
    """The hash has no preference."""
    hashes = [hash_rollout_key("order", f"customer-{number}") for number in range(100_000)]
    for share in (10_000, 50_000, 250_000):
        rollout = make_rollout(share=share)
        count = sum(rollout.choose_version(hashed) == 2 for hashed in hashes)
        p = share / SHARE_UNITS
        assert abs(count - 100_000 * p) < 3 * math.sqrt(100_000 * p * (1 - p))


def test_steps_are_read_as_shares_that_grow_to_all():
    """Spaces and fractions are allowed."""
    assert parse_steps("1%, 5 %,25%,100%") == (10_000, 50_000, 250_000, SHARE_UNITS)
    assert parse_steps("100%") == (SHARE_UNITS,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5%,1%,100%", "do not grow"),
        ("5%,5%,100%", "do not grow"),
        ("0%,100%", "do not grow"),
        ("5%,50%", "do not end with 100 %"),
        ("5%,150%", "150 %"),
        ("5,100%", "not a share"),
        ("", "not a share"),
        (",".join(f"{number}%" for number in range(1, MAX_STEPS + 2)), "at most 20 steps"),
    ],
)
def test_steps_that_cannot_be_used_are_refused(text, expected):
    """Each error names what is wrong and what to write."""
    with pytest.raises(OptionError, match=expected) as caught:
        parse_steps(text)
    assert caught.value.hint


def test_no_steps_are_refused():
    """An empty list has no share."""
    with pytest.raises(OptionError):
        check_steps([])


def test_each_move_leaves_or_keeps_an_active_rollout():
    """An ended rollout never moves again, and each move starts from an active state."""
    for move in RolloutMove:
        sources, target = ROLLOUT_MOVES[move]
        assert all(msgspec.structs.replace(make_rollout(), state=source).is_active for source in sources)
        is_unchanged = move in (RolloutMove.PAUSE, RolloutMove.RESUME, RolloutMove.ADVANCE)
        assert msgspec.structs.replace(make_rollout(), state=target).is_active is is_unchanged
