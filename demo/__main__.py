"""`python -m demo`: sets the stage, starts the run, kills its worker in the middle, asks, and checks everything at the end."""

import argparse
import asyncio
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

import mainspring as ms
from demo import check, question, source, witness
from demo.sender import BROKEN, Sender
from demo.stage import HOME, Stage
from demo.warehouse import Look

_SENT = source.DAYS + len(BROKEN)
_KILL_AT = 150
_SPEAK_EVERY = 3.0


class Story:
    """Tells what happens, with the seconds since the beginning."""

    def __init__(self, stage: Stage, *, terminal: bool, pace: float) -> None:
        self._stage = stage
        self._terminal = terminal
        self._pace = pace
        self._began = time.monotonic()
        self._spoke = 0.0

    def say(self, text: str) -> None:
        """Print a sentence or two."""
        self._spoke = time.monotonic()
        print(f"[{self._spoke - self._began:5.1f} s] {text}", flush=True)

    async def play(self) -> bool:
        """Play it from start to end; True if everything was as it has to be."""
        stage = self._stage
        stage.prepare()
        self.say(
            f"A year of flights is to be taken in: {source.FLIGHTS:,} of them, one file a day, into {stage.folder}."
        )
        stage.open()
        worker = stage.worker()
        self.say(
            f"`mainspring up` runs; its worker is process {worker}. A desk that often fails listens at {stage.desk}."
        )
        app = ms.App.from_config(stage.config)
        sender = Sender(stage.folder / "inbox", self._pace)
        look = Look(stage.folder / "warehouse.db")
        try:
            within = "45s" if self._terminal else "2s"
            handle = await app.start("take_in", 2013, str(stage.folder), stage.desk, within)
            self.say(
                f"The run {handle.id} has begun, and so has the sender: {_SENT} files, {len(BROKEN)} of them broken."
            )
            sender.start()
            await self._follow(app, handle, sender, look, until=_KILL_AT)
            killed_at = await self._kill(worker)
            heir = await asyncio.to_thread(stage.worker, other_than=worker)
            self.say(f"The supervisor has started worker {heir}. It continues the run from its last commit.")
            await self._follow(app, handle, sender, look)
            await self._ask(app, handle)
            report = await handle.result(60)
            self.say(f"The run has ended; its report is {report}.")
            return self._check(handle.id, killed_at)
        finally:
            look.close()
            app.close()

    async def _follow(
        self, app: ms.App, handle: ms.Handle, sender: Sender, look: Look, until: int | None = None
    ) -> None:
        """Speak every few seconds until so many files are stored, or the run asks."""
        while True:
            self._stage.check_up()
            files, flights, rejected = look.progress()
            view = await handle.view()
            if view.state in ("failed", "needs_attention", "cancelled"):
                raise SystemExit(f"the run {handle.id} is {view.state}: {view.failure}")
            if view.state == "succeeded" or (until is not None and files >= until):
                return  # on a slow machine it may be over before anybody looked
            if until is None and self._asked(handle.id, view.waiting_for):
                return
            if time.monotonic() - self._spoke >= _SPEAK_EVERY:
                desk = self._stage.desk_figures()
                self.say(
                    f"{sender.sent} files have arrived; {files} are in the warehouse: {flights:,} flights, {rejected:,} rows "
                    f"rejected. The desk knows {desk['days']} days; it failed {desk['refused'] + desk['reset'] + desk['late']} times."
                )
            await asyncio.sleep(0.1)

    @staticmethod
    def _asked(run: str, waiting_for: bytes | None) -> bool:
        del run
        return waiting_for is not None and b"ask" in waiting_for

    async def _kill(self, worker: int) -> float:
        """Kill the worker while a file is half cleaned; return when."""
        folder, until = self._stage.folder, time.monotonic() + 10
        while time.monotonic() < until:
            begun = {
                file.removesuffix(".csv")
                for what, file in witness.begun(folder)
                if what == "clean" and file not in BROKEN
            }
            if begun - {path.stem for path in (folder / "clean").glob("*.json")}:
                break
            await asyncio.sleep(0.005)
        os.kill(worker, signal.SIGKILL)
        killed_at = time.time()
        self.say(f"Now the demo has killed its own worker: kill -9 {worker}, in the middle of a file.")
        return killed_at

    async def _ask(self, app: ms.App, handle: ms.Handle) -> None:
        within = "45s" if self._terminal else "2s"
        for asked in await asyncio.to_thread(self._stage.questions, handle.id):
            link = await asyncio.to_thread(self._stage.dashboard) if self._terminal else ""
            await question.put(app, handle, asked, terminal=self._terminal, within=within, link=link)

    def _check(self, run: str, killed_at: float) -> bool:
        """Print each finding, then what the command line says."""
        found = check.everything(self._stage, run, killed_at)
        print()
        for fact in found:
            print(f"  {'ok' if fact.holds else 'NOT OK':6} {fact.text}")
        print("\n$ mainspring status", flush=True)
        self._stage.command("status")
        print("\n$ mainspring runs list", flush=True)
        self._stage.command("runs", "list")
        print(
            f"\nThe store is {self._stage.folder / 'store.db'}; the report {self._stage.folder / 'report.md'}.",
            flush=True,
        )
        return all(fact.holds for fact in found)


async def main(folder: Path, pace: float) -> int:
    """Play the story; in a terminal stay up behind it."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    claim = claimed(folder)
    stage = Stage(folder)
    try:
        good = await Story(stage, terminal=terminal, pace=pace).play()
        if good and terminal:
            program = Path(sys.executable).with_name("mainspring")
            print(f"\nThe engine stays up. In another terminal:\n  cd {folder} && {program} runs show @last")
            print("On the dashboard its broken files wait under Failed: mend one in its inbox, and retry it there.")
            print("Ctrl-C ends it.")
            print(f"Dashboard: {await asyncio.to_thread(stage.dashboard)}", flush=True)
            await asyncio.Event().wait()
        elif good:
            print(f"\nIn a terminal the engine stays up behind this.\nDashboard: http://{stage.web}/", flush=True)
        return 0 if good else 1
    finally:
        stage.close()
        os.close(claim)


def claimed(folder: Path) -> int:
    """Return a descriptor that keeps another demo out of the folder, for as long as it is open."""
    claim = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another demo plays in {folder}; stop it, or name another folder with --into") from None
    return claim


def folder_of(text: str) -> Path:
    """Return a folder that is there."""
    folder = Path(text).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--into", type=folder_of, default=str(HOME / "out"), help="where to play; it is made anew (default: demo/out)"
    )
    parser.add_argument("--pace", type=float, default=20.0, help="seconds over which the files arrive (default: 20)")
    try:
        arguments = parser.parse_args()
        sys.exit(asyncio.run(main(arguments.into, arguments.pace)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nStopped; everything the run had committed is kept until the next demo.", flush=True)
        sys.exit(130)
