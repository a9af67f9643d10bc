"""The share of a flag: a documented hash, exact shares, and no key that changes its side while the share grows."""

import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.flags.flag import SHARE_UNITS, hash_key, is_in_share

VECTORS = [
    ("new-mailer", "", "2e1c09a8470c8f48"),
    ("new-mailer", "ann", "8f1d67192eed4f14"),
    ("new-mailer", "bob", "dcc76eda05f96b26"),
    ("neuer-mailer-ä", "käthe", "c2ee25105289b4ae"),
    ("a", "b\0c", "8badde10c760e9b7"),
]
"""Flag, key, and the first 16 digits of SHA-256 of both, in hexadecimal: printf 'FLAG\\0KEY' | sha256sum."""


@pytest.mark.parametrize(("flag", "key", "digits"), VECTORS)
def test_bucket_is_that_of_the_documents(flag, key, digits):
    """Another program can compute the same side."""
    assert hash_key(flag, key).hex()[:16] == digits
    bucket = int(digits, 16)
    share = bucket * SHARE_UNITS // 2**64
    assert not is_in_share(flag, key, share)
    assert is_in_share(flag, key, share + 1)


@given(
    flag=st.text(max_size=20),
    key=st.text(max_size=20),
    share=st.integers(0, SHARE_UNITS),
    more=st.integers(0, SHARE_UNITS),
)
def test_key_stays_on_while_the_share_grows(flag, key, share, more):
    """Whatever the steps: a greater share only adds keys. None has none, all has all."""
    smaller, greater = sorted((share, more))
    assert not is_in_share(flag, key, smaller) or is_in_share(flag, key, greater)
    assert not is_in_share(flag, key, 0)
    assert is_in_share(flag, key, SHARE_UNITS)


def test_shares_of_a_million_keys_are_exact_within_three_sigma():
    """For each share of a usual rollout. Two flags divide the same keys independently."""
    count = 1_000_000
    steps = [10_000, 50_000, 250_000, 500_000, 990_000]
    found = dict.fromkeys(steps, 0)
    both = 0
    for n in range(count):
        bucket = int.from_bytes(hash_key("new-mailer", f"customer-{n}")[:8]) * SHARE_UNITS >> 64
        for step in steps:
            found[step] += bucket < step
        if n < 100_000 and bucket < 500_000:
            both += is_in_share("other-flag", f"customer-{n}", 500_000)
    for step, number in found.items():
        share = step / SHARE_UNITS
        assert abs(number - count * share) <= 3 * math.sqrt(count * share * (1 - share)), step
    assert abs(both - 25_000) <= 3 * math.sqrt(100_000 * 0.25 * 0.75)


SIDES = """
import hashlib, sys
from mainspring.domain.flags.flag import hash_key, is_in_share
from mainspring.domain.rollouts.rollout import hash_rollout_key
digest = hashlib.sha256()
for number in range(int(sys.argv[1])):
    key = f"customer-{number}"
    side = is_in_share("new-mailer", key, 250_000), is_in_share("order\\0" + "2", hash_rollout_key("order", key), 250_000)
    digest.update(bytes(side))
print(digest.hexdigest())
"""


def test_two_processes_agree_on_every_key():
    """Of flags and of rollouts, whatever the hash seed of the process."""
    printed = [
        subprocess.run(
            [sys.executable, "-c", SIDES, "1000000" if os.environ.get("TESTS_LONG") == "1" else "100000"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert len(printed[0].strip()) == 64
