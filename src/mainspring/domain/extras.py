"""Extras: optional packages, and the command that installs them beside this Mainspring.

Before a release, and for an installation from a checkout, no index has the package: the command then names its source folder.
"""

import functools
import json
import shlex


def install_command(extra: str) -> str:
    """Return the command that installs an extra, such as "postgres", for the Mainspring that is installed."""
    option, source = _source()
    return f"pip install {option}{shlex.quote(f'{source}[{extra}]')}"


@functools.cache
def _source() -> tuple[str, str]:
    """Return pip's option and argument for the Mainspring that is installed: its name, or its source folder."""
    from importlib import metadata
    from urllib.parse import unquote, urlsplit

    try:
        install_record = json.loads(metadata.distribution("mainspring").read_text("direct_url.json") or "{}")
        url, folder = urlsplit(install_record["url"]), install_record["dir_info"]
        if url.scheme == "file":
            return ("-e " if folder.get("editable") else ""), unquote(url.path)
    except (metadata.PackageNotFoundError, KeyError, TypeError, AttributeError, ValueError):
        pass
    return "", "mainspring"
