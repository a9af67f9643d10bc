"""Hints of the kernel about changes in a folder: they may come late, too often or not at all. Only a listing is reliable."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from mainspring.domain.extras import install_command

_LOG = logging.getLogger("mainspring.files")
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 60.0


async def watch_changes(
    folder: str,
    wake: Callable[[], None],
    *,
    recursive: bool,
    ignored: Sequence[str],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `wake` when something changes in the folder, except below the `ignored` paths. Return if the extra is missing.

    The watcher ends on names that are not UTF-8, on deleted folders, or if the kernel has no watches left: each end is a hint too.
    """
    try:
        from watchfiles import awatch  # noqa: PLC0415 - an extra
    except ImportError:
        _LOG.info("%s is only read from time to time: %s", folder, install_command("watch"))
        return
    own = [str(Path(path)) for path in ignored]
    pause = _FIRST_PAUSE_S
    while True:
        try:
            changes = awatch(
                folder,
                recursive=recursive,
                watch_filter=lambda _, path: is_change_hint(path, own),
                debounce=50,
                step=10,
            )
            async for _change in changes:
                wake()
                pause = _FIRST_PAUSE_S
        except Exception as error:  # noqa: BLE001  after any error the folder is still polled
            _LOG.debug("no hints for %s: %s", folder, error)
        wake()
        await sleep(pause)
        pause = min(pause * 2, _MAX_PAUSE_S)


def is_change_hint(path: str, ignored: Sequence[str]) -> bool:
    """Return whether a change of `path` is a hint: it is below none of the ignored paths."""
    return not any(path == folder or path.startswith(f"{folder}/") for folder in ignored)
