"""The kernel's word that something happened in a folder: a hint, which may come late, too often or not at all. The look is the truth."""

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
    """Call `wake` when something changes in the folder, but below the `ignored` paths. Returns where the extra is missing.

    The watcher ends at names that are not UTF-8, at folders that go away, where the kernel has no watches left: each end is a hint too.
    """
    try:
        from watchfiles import awatch  # noqa: PLC0415 - an extra
    except ImportError:
        _LOG.info("%s is looked through from time to time only: %s", folder, install_command("watch"))
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
        except Exception as error:  # noqa: BLE001  whatever it is, the look goes on without
            _LOG.debug("no hints for %s: %s", folder, error)
        wake()
        await sleep(pause)
        pause = min(pause * 2, _MAX_PAUSE_S)


def is_change_hint(path: str, ignored: Sequence[str]) -> bool:
    """Tell whether a change of `path` is a hint: it lies below none of the ignored paths."""
    return not any(path == one or path.startswith(f"{one}/") for one in ignored)
