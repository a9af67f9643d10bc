"""The kernel's word that something happened in a folder: a hint, which may come late, too often or not at all. The look is the truth."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

_LOG = logging.getLogger("mainspring.files")
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


async def give_hints(
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
        _LOG.info("%s is looked through from time to time only: pip install 'mainspring[watch]'", folder)
        return
    below = [str(Path(path)) for path in ignored]

    def counts(_change: object, path: str) -> bool:
        return not any(path == one or path.startswith(f"{one}/") for one in below)

    pause = _FIRST_PAUSE_S
    while True:
        try:
            async for _changes in awatch(folder, recursive=recursive, watch_filter=counts, debounce=50, step=10):
                wake()
                pause = _FIRST_PAUSE_S
        except Exception as error:  # noqa: BLE001  whatever it is, the look goes on without
            _LOG.debug("no hints for %s: %s", folder, error)
        wake()
        await sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)
