"""Run conditions of a worker: its configuration, and the versions of Python and packages."""

import contextlib
import platform
import re
import socket
from hashlib import sha256
from importlib.metadata import Distribution, distributions

from mainspring.config.settings import Settings
from mainspring.domain.redaction.secret_detection import SECRET_FIELD_NAME
from mainspring.domain.runs.run_conditions import ConditionKind, ConditionSnapshot
from mainspring.resources.known_secrets import KNOWN_SECRETS

_MAX_PACKAGES = 1_000
_MAX_NAME_LENGTH = 40
_DIGEST_LENGTH = 8
_HEADER = re.compile(r"^(Name|Version): *(.*?) *$", re.MULTILINE)
_PROCESS_SETTINGS = ("up.", "worker.tags")
"""Settings that may differ between processes of one host: flags of `mainspring up`."""


def read_run_conditions(settings: Settings) -> tuple[ConditionSnapshot, ...]:
    """Return the conditions of a worker on this host. Reads the metadata of all packages, which takes some 100 ms."""
    subject = f"host:{socket.gethostname()}"
    return (
        ConditionSnapshot(ConditionKind.CONFIGURATION, subject, digest_settings(settings)),
        ConditionSnapshot(ConditionKind.RUNTIME, subject, read_versions()),
    )


def digest_settings(settings: Settings) -> dict[str, str]:
    """Return a digest of each setting that is not a default: equal for equal values, without secrets, revealing nothing of the value."""
    return {
        path: _digest("" if SECRET_FIELD_NAME.search(path) else KNOWN_SECRETS.redact(repr(value)))
        for path, value, source in settings.describe()
        if source != "default" and not path.startswith(_PROCESS_SETTINGS)
    }


def read_versions() -> dict[str, str]:
    """Return the version of Python and of each package that can be imported here."""
    found = {"Python": platform.python_version()}
    for package in distributions():
        with contextlib.suppress(OSError, ValueError, KeyError):  # damaged metadata of one hides no other
            headers = _read_package_headers(package)
            name = headers.get("Name")
            if name and len(found) < _MAX_PACKAGES:
                found.setdefault(name[:_MAX_NAME_LENGTH], (headers.get("Version") or "?")[:_MAX_NAME_LENGTH])
    return found


def _read_package_headers(package: Distribution) -> dict[str, str]:
    """Return name and version of a package. `Distribution.metadata` takes ten times as long, as it parses the metadata as e-mail."""
    text = package.read_text("METADATA") or package.read_text("PKG-INFO") or package.read_text("") or ""
    return dict(_HEADER.findall(text.partition("\n\n")[0]))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
