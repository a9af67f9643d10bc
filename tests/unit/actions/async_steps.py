"""Steps that use the async forms of actions."""

from pathlib import Path

import mainspring as ms
from mainspring.actions import files, shell, sql


@ms.step
async def load(shop: str, folder: str) -> tuple[int, str]:
    """Rows, a file and a command, in the loop of the worker."""
    loaded = await sql.bulk_load_async(shop, "items", [{"id": 1}, {"id": 2}], key="id", chunk=1)
    await files.write_async(Path(folder, "a.txt"), "text")
    done = await shell.run_async(["sh", "-c", f"echo x >> {folder}/log; echo done"], once="async-form")
    return loaded.rows, done.stdout
