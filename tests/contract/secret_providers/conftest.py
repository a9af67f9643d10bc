"""One server of each provider for the whole session; a prefix for each test."""

from collections.abc import Iterator

import pytest

from tests.secret_providers.target import SecretTarget
from tests.secret_providers.targets import SCHEMES, start_target


@pytest.fixture(scope="session")
def secret_targets() -> Iterator[dict[str, SecretTarget]]:
    """Those that were started; kept here, for tests come in any order."""
    started: dict[str, SecretTarget] = {}
    yield started
    for target in started.values():
        target.remove()


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(f"secrets-{name}")) for name in SCHEMES])
def target(request: pytest.FixtureRequest, secret_targets, tmp_path_factory) -> SecretTarget:
    if request.param not in secret_targets:
        secret_targets[request.param] = start_target(request.param, tmp_path_factory.mktemp("secrets"))
    return secret_targets[request.param]


@pytest.fixture
def prefix(target: SecretTarget) -> str:
    return target.new_prefix()
