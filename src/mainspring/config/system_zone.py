"""The time zone of the system, by which cron starts its lines."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from mainspring.domain.errors import UnknownNameError
from mainspring.domain.time.cron import find_zone

_ZONE_FOLDER = "zoneinfo/"


def find_system_zone(env: Mapping[str, str], etc: Path = Path("/etc")) -> str:
    """Return the IANA name of the system's zone, "UTC" if it cannot be found out. `etc` = the folder of the system's configuration."""
    for text in _list_candidates(env, etc):
        name = text.rpartition(_ZONE_FOLDER)[2]
        if name and not name.startswith("/"):
            with suppress(UnknownNameError):
                return find_zone(name).key
    return "UTC"


def _list_candidates(env: Mapping[str, str], etc: Path) -> Iterator[str]:
    """Yield names of zones and paths of their files, the one that counts first."""
    for variable in ("CRON_TZ", "TZ"):  # cronie starts the lines of a crontab by its CRON_TZ
        yield env.get(variable, "").removeprefix(":").strip()
    yield os.path.realpath(etc / "localtime")
    with suppress(OSError, UnicodeError):  # Debian: /etc/localtime may be a copy instead of a link
        yield (etc / "timezone").read_text(encoding="ascii").strip()
