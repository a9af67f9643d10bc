"""`python -m mainspring.app.watcher_process`: buries the dead, deletes what is past its retention, takes in the spool.

Workers do the same beside their runs; a watcher goes on while they are blocked, dead or not there at all. It imports nobody's code.
"""

import sys

from mainspring.app.post_process import PostProcess, run_post


async def serve(process: PostProcess) -> int:
    """Watch until the process is told to end."""
    await process.open()
    if process.is_open:
        upkeep = process.project.upkeep()
        upkeep.start(process.loop, process.store, process.store.clock)
        await process.stopped.wait()
        upkeep.close()
    await process.close()
    return 0


if __name__ == "__main__":
    sys.exit(run_post(serve))
