"""Maintenance of the store as a whole: `mainspring db migrate|check|shell`."""

import os
import shutil
from contextlib import suppress

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.insight.text import formatting


@command("migrate", "update the schema of the store to this version, or create it")
@click.option("--create", is_flag=True, help="create the store where there is none, or none any more")
@pass_invocation
def migrate(invocation: Invocation, *, create: bool) -> None:
    """Every process does this when it opens the store to write. Use this command to do it as a step of a deployment."""
    from mainspring.app.stores.store_factory import require_store, store_exists

    url = invocation.settings.store.url
    was_there = store_exists(url)  # not by a reader, which accepts only a store of this schema version
    if not create:
        invocation.require_store()
        require_store(url)
    schema_version = str(invocation.make_store(recreate=create).reader.read("read_meta", ("schema",))[0][0])
    word = "has" if was_there else "was created with"
    location = invocation.location
    invocation.output.document(
        {"store": location, "form": schema_version, "created": not was_there},
        f"The store {word} schema version {schema_version}: {location}",
    )


@command("check", "check the whole store for damage")
@pass_invocation
def check(invocation: Invocation) -> int:
    """Workers may run meanwhile. Ends with 9 if something is damaged."""
    from mainspring.app.stores.backups import check_store
    from mainspring.store.base import StoreDamagedError

    with suppress(StoreDamagedError):  # the check reports that
        _ = invocation.reader  # there is a store of this schema version
    findings = check_store(invocation.settings.store.url)

    def print_text() -> None:
        output = invocation.output
        if not findings and invocation.store_fault() is None:
            output.line(f"{output.paint(formatting.GOOD, 'green')} {invocation.location} has no damage")
        if findings:
            output.hint(f"{formatting.format_count(len(findings), 'finding')} in {invocation.location}")
        for finding in findings:
            output.line(f"{output.paint(formatting.BAD, 'red')} {formatting.escape_text(finding.what)}")
            for subject in finding.subjects:
                output.line(f"    {formatting.escape_line(subject)}")

    invocation.output.document(findings, print_text)
    return exits.CHECK_FAILED if findings else exits.OK


@command("shell", "open an SQL shell on the store, read-only")
@pass_invocation
def shell(invocation: Invocation) -> None:
    """Runs sqlite3 on the file, or psql on the server. Changes are not allowed: Mainspring would lose them or break."""
    from mainspring.domain.errors import NotFoundError

    _ = invocation.reader
    name = "psql" if invocation.settings.store.is_remote else "sqlite3"
    program = shutil.which(name)
    if program is None:
        raise NotFoundError(
            f"the program {name} is not installed on this machine",
            hint="Install it, or use: mainspring runs list --json",
        )
    if invocation.settings.store.is_remote:
        from mainspring.app.stores.store_factory import parse_address
        from mainspring.store.postgres.address import psql_environment

        # By the environment: every user of this machine can read the words of a command.
        env = {**os.environ, **psql_environment(parse_address(invocation.settings.store.url))}
        invocation.close()
        os.execve(program, [program, "--no-password"], env)  # noqa: S606 - no shell is wanted
    invocation.close()
    os.execv(  # noqa: S606 - no shell is wanted
        program, [program, "-readonly", str(invocation.path)]
    )
