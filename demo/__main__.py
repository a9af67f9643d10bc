"""`python -m demo`: prepare the sandbox, start the run, kill its worker in the middle, ask a person, and check the result."""

import argparse
import asyncio
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

import mainspring as ms
from demo import check, question, source, step_log
from demo.sandbox import HOME, Sandbox
from demo.sender import BROKEN, Sender
from demo.warehouse import WarehouseReader

_SENT = source.DAYS + len(BROKEN)
_KILL_AT = 150
_PRINT_EVERY_S = 3.0


class DemoRun:
    """One run of the demo. It prints what happens, with the seconds since its start."""

    def __init__(self, sandbox: Sandbox, *, terminal: bool, send_s: float) -> None:
        self._sandbox = sandbox
        self._terminal = terminal
        self._send_s = send_s
        self._started_at = time.monotonic()
        self._printed_at = 0.0

    def print_progress(self, text: str) -> None:
        """Print one line."""
        self._printed_at = time.monotonic()
        print(f"[{self._printed_at - self._started_at:5.1f} s] {text}", flush=True)

    async def execute(self) -> bool:
        """Run the demo from start to end; return whether all checks passed."""
        sandbox = self._sandbox
        sandbox.prepare()
        self.print_progress(
            f"The demo imports a year of flights into {sandbox.folder}: {source.FLIGHTS:,} rows, one file a day."
        )
        sandbox.start()
        worker = sandbox.worker()
        self.print_progress(
            f"`mainspring up` runs; its worker is process {worker}. A service that often fails listens at {sandbox.service_url}."
        )
        app = ms.App.from_config(sandbox.config)
        sender = Sender(sandbox.folder / "inbox", self._send_s)
        warehouse_reader = WarehouseReader(sandbox.folder / "warehouse.db")
        try:
            within = "45s" if self._terminal else "2s"
            handle = await app.start("import_year", 2013, str(sandbox.folder), sandbox.service_url, within)
            self.print_progress(
                f"The run {handle.id} has started. A sender delivers {_SENT} files, {len(BROKEN)} of them broken."
            )
            sender.start()
            await self._follow(app, handle, sender, warehouse_reader, until=_KILL_AT)
            killed_at = await self._kill(worker)
            successor = await asyncio.to_thread(sandbox.worker, other_than=worker)
            self.print_progress(
                f"The supervisor has started worker {successor}, which continues the run from its last commit."
            )
            await self._follow(app, handle, sender, warehouse_reader)
            await self._ask(app, handle)
            report = await handle.result(60)
            self.print_progress(f"The run has ended; its report is {report}.")
            return self._check(handle.id, killed_at)
        finally:
            warehouse_reader.close()
            app.close()

    async def _follow(
        self,
        app: ms.App,
        handle: ms.Handle[str],
        sender: Sender,
        warehouse_reader: WarehouseReader,
        until: int | None = None,
    ) -> None:
        """Print the progress every few seconds, until `until` files are stored or the run asks its question."""
        while True:
            self._sandbox.check_up()
            files, flights, rejected = warehouse_reader.progress()
            view = await handle.view()
            if view.state in ("failed", "needs_attention", "cancelled"):
                raise SystemExit(f"the run {handle.id} is {view.state}: {view.failure}")
            if view.state == "succeeded" or (until is not None and files >= until):
                return  # on a slow machine the run may end between two checks
            if until is None and "ask" in str(view.waiting_for):
                return
            if time.monotonic() - self._printed_at >= _PRINT_EVERY_S:
                counts = self._sandbox.service_counts()
                self.print_progress(
                    f"Files arrived: {sender.sent}; in the warehouse: {files}, with {flights:,} flights and {rejected:,} rejected rows. "
                    f"The service knows {counts['days']} days; it failed {counts['refused'] + counts['reset'] + counts['late']} times."
                )
            await asyncio.sleep(0.1)

    async def _kill(self, worker: int) -> float:
        """Kill the worker while it cleans a file; return the time of the kill."""
        folder, until = self._sandbox.folder, time.monotonic() + 10
        while time.monotonic() < until:
            started = {
                file.removesuffix(".csv")
                for step, file in step_log.count_steps(folder)
                if step == "clean" and file not in BROKEN
            }
            if started - {path.stem for path in (folder / "clean").glob("*.json")}:
                break
            await asyncio.sleep(0.005)
        os.kill(worker, signal.SIGKILL)
        killed_at = time.time()
        self.print_progress(f"The demo has killed its own worker in the middle of a file: kill -9 {worker}.")
        return killed_at

    async def _ask(self, app: ms.App, handle: ms.Handle[str]) -> None:
        within = "45s" if self._terminal else "2s"
        for text in await asyncio.to_thread(self._sandbox.open_questions, handle.id):
            link = await asyncio.to_thread(self._sandbox.dashboard) if self._terminal else ""
            await question.ask_person(app, handle, text, terminal=self._terminal, within=within, link=link)

    def _check(self, run: str, killed_at: float) -> bool:
        """Print each check, then what the command line prints; return whether all checks passed."""
        checks = check.run_checks(self._sandbox, run, killed_at)
        print()
        for item in checks:
            print(f"  {'ok' if item.passed else 'NOT OK':6} {item.text}")
        print("\n$ mainspring status", flush=True)
        self._sandbox.command("status")
        print("\n$ mainspring runs list", flush=True)
        self._sandbox.command("runs", "list")
        print(
            f"\nThe store is {self._sandbox.folder / 'store.db'}; the report {self._sandbox.folder / 'report.md'}.",
            flush=True,
        )
        return all(item.passed for item in checks)


async def main(folder: Path, send_s: float) -> int:
    """Run the demo; in a terminal Mainspring keeps running afterwards."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    lock = lock_folder(folder)
    sandbox = Sandbox(folder)
    try:
        passed = await DemoRun(sandbox, terminal=terminal, send_s=send_s).execute()
        if passed and terminal:
            program = Path(sys.executable).with_name("mainspring")
            print(f"\nMainspring keeps running. In another terminal:\n  cd {folder} && {program} runs show @last")
            print("The dashboard lists the broken files under Failed. Correct one in the inbox, then press Retry.")
            print("Ctrl-C ends the demo.")
            print(f"Dashboard: {await asyncio.to_thread(sandbox.dashboard)}", flush=True)
            await asyncio.Event().wait()
        elif passed:
            print(
                "\nWithout a terminal, the demo stops Mainspring. In a terminal it keeps running, with its dashboard at this "
                f"address.\nDashboard: http://{sandbox.web}/",
                flush=True,
            )
        return 0 if passed else 1
    finally:
        sandbox.close()
        os.close(lock)


def lock_folder(folder: Path) -> int:
    """Return a descriptor; while it is open, no other demo can use the folder."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another demo runs in {folder}. Stop it, or name another folder: --into FOLDER") from None
    return lock


def folder_of(text: str) -> Path:
    """Return a folder; create it if it is missing."""
    folder = Path(text).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--into",
        type=folder_of,
        default=str(HOME / "out"),
        help="the folder of the demo; it is deleted and created again (default: demo/out)",
    )
    parser.add_argument("--pace", type=float, default=20.0, help="seconds over which the files arrive (default: 20)")
    try:
        arguments = parser.parse_args()
        sys.exit(asyncio.run(main(arguments.into, arguments.pace)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nStopped. The results that the run committed are kept until the next demo.", flush=True)
        sys.exit(130)
