"""What a worker of this process's project runs under: its configuration, and the versions of Python and packages."""

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

_MOST_PACKAGES = 1_000
_LONGEST = 40
_MARK = 8
_HEADER = re.compile(r"^(Name|Version): *(.*?) *$", re.MULTILINE)
_OF_ONE_PROCESS = ("up.", "worker.tags")
"""Settings that processes of one host may have each for itself: flags of `mainspring up`."""


def circumstances_of(settings: Settings) -> tuple[ConditionSnapshot, ...]:
    """Return what a worker of this host runs under. It reads the metadata of all packages, which takes some 100 ms."""
    subject = f"host:{socket.gethostname()}"
    return (
        ConditionSnapshot(ConditionKind.CONFIGURATION, subject, marks_of(settings)),
        ConditionSnapshot(ConditionKind.RUNTIME, subject, versions()),
    )


def marks_of(settings: Settings) -> dict[str, str]:
    """Return a mark of each setting that is not a default: the same for the same value, without secrets, and telling nothing of it."""
    return {
        path: _mark("" if SECRET_FIELD_NAME.search(path) else KNOWN_SECRETS.redact(repr(value)))
        for path, value, source in settings.describe()
        if source != "default" and not path.startswith(_OF_ONE_PROCESS)
    }


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that can be imported here."""
    found = {"Python": platform.python_version()}
    for package in distributions():
        with contextlib.suppress(OSError, ValueError, KeyError):  # damaged metadata of one hides no other
            headers = _headers_of(package)
            name = headers.get("Name")
            if name and len(found) < _MOST_PACKAGES:
                found.setdefault(name[:_LONGEST], (headers.get("Version") or "?")[:_LONGEST])
    return found


def _headers_of(package: Distribution) -> dict[str, str]:
    """Return name and version of a package. The parser of e-mail, which `Distribution.metadata` calls, takes ten times as long."""
    text = package.read_text("METADATA") or package.read_text("PKG-INFO") or package.read_text("") or ""
    return dict(_HEADER.findall(text.partition("\n\n")[0]))


def _mark(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK]
