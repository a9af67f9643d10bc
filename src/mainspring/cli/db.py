"""`mainspring db migrate|check|shell`: the store's file as a whole."""

import os
import shutil
from contextlib import suppress

from mainspring.cli import exits, words
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command


@command("migrate", "make the store, or bring it to this version's form")
@pass_invocation
def migrate(invocation: Invocation) -> None:
    """Every process does this by itself when it opens the store to write; here it is an act of its own, for a deployment."""
    if invocation.settings.store.is_remote:
        was_there = invocation.read(lambda reader: bool(reader.read("read_meta", ("schema",))), otherwise=False)
    else:
        was_there = invocation.path.exists()
    form = str(invocation.make_store(anew=True).reader.read("read_meta", ("schema",))[0][0])
    word = "is in" if was_there else "was made in"
    shown = invocation.shown
    invocation.output.document(
        {"store": shown, "form": form, "created": not was_there}, f"The store {word} form {form}: {shown}"
    )


@command("check", "read the whole store and say what is wrong")
@pass_invocation
def check(invocation: Invocation) -> int:
    """Safe while workers run. Ends with 9 if anything is wrong."""
    from mainspring.store.base import StoreDamagedError
    from mainspring.store.sqlite.check import check as check_store

    with suppress(StoreDamagedError):  # that is for the check to tell
        _ = invocation.reader  # there is a store, of this version's form
    found = check_store(invocation.path)

    def text() -> None:
        output = invocation.output
        if not found:
            output.line(f"{output.paint(words.GOOD, 'green')} Nothing is wrong with {invocation.path}")
        for finding in found:
            output.line(f"{output.paint(words.BAD, 'red')} {words.shown(finding.what)}")
            for subject in finding.subjects:
                output.line(f"    {words.one_line(subject)}")

    invocation.output.document(found, text)
    return exits.CHECK_FAILED if found else exits.OK


@command("shell", "look into the store with SQL, read-only")
@pass_invocation
def shell(invocation: Invocation) -> None:
    """Runs sqlite3 on the file. It cannot write: what is changed behind the engine's back is lost or does harm."""
    from mainspring.domain.errors import NotFoundError

    _ = invocation.reader
    program = shutil.which("sqlite3")
    if program is None:
        raise NotFoundError(
            "there is no sqlite3 program on this machine", hint="Install it, or use: mainspring runs list --json"
        )
    invocation.close()
    os.execv(  # noqa: S606 - no shell is wanted
        program, [program, "-readonly", str(invocation.path)]
    )
