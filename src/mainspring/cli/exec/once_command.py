"""The once command, `mainspring once`: perform any command once for its key."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.error_report import report_error
from mainspring.cli.exec.secret_options import add_secret_options
from mainspring.cli.exec.standard_streams import fill_standard_streams
from mainspring.cli.lazy_group import FlaggedCommand
from mainspring.domain.duration import parse_duration, to_milliseconds
from mainspring.domain.errors import OptionError, StoreError

if TYPE_CHECKING:
    from mainspring.resources.effects import EffectRequest

HELP_LINE = "run a command once for its key, across all that use the store"
_SEPARATOR = "--"


class OnceCommand(FlaggedCommand):
    """Wraps a command: its words follow `--`, so that no option of theirs is read as one of `once`."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments."""
        fill_standard_streams()
        return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments. Raises UsageError without the separator."""
        is_help = any(name in args for name in ctx.help_option_names)
        if _SEPARATOR not in args and args and not is_help and not ctx.resilient_parsing:
            raise click.UsageError(
                "the command must follow --\nWrite: mainspring once KEY [OPTIONS] -- COMMAND ...", ctx=ctx
            )
        words = args[args.index(_SEPARATOR) + 1 :] if _SEPARATOR in args else []
        rest = super().parse_args(ctx, args)
        if words and (surplus := ctx.params.get("command", ())[: -len(words)]):
            raise click.UsageError(
                f"{surplus[0]!r} is neither the key nor an option: the command must follow --\n"
                "Write: mainspring once KEY [OPTIONS] -- COMMAND ...; a value with a space in quotes",
                ctx=ctx,
            )
        return rest


def _read_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    try:
        return None if value is None else parse_duration(value)
    except OptionError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None


def _read_positive_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    duration = _read_duration(ctx, param, value)
    if duration is not None and not duration:
        raise click.BadParameter("the duration must be greater than zero", ctx=ctx, param=param)
    return duration


@click.command("once", cls=OnceCommand, short_help=HELP_LINE)
@click.option(
    "--within",
    metavar="D",
    callback=_read_positive_duration,
    help="allow it again this long after the last time (default: never)",
)
@click.option("--identity", metavar="JSON", help="meaning of the key (default: the words of COMMAND)")
@click.option(
    "--wait",
    metavar="D",
    default="30s",
    show_default=True,
    callback=_read_duration,
    help="wait up to this long while another holder performs it",
)
@click.option("--failed-means-not-done", is_flag=True, help="let any exit code but 0 prove that it did not happen")
@click.option(
    "--conflict",
    type=click.Choice(["skip", "error"]),
    default="skip",
    show_default=True,
    help="with --within: what another identity means",
)
@click.option(
    "--pass-env",
    metavar="NAME",
    multiple=True,
    help="pass PGPASSWORD, MAINSPRING_STORE_URL or MAINSPRING_SECRET_* to the command",
)
@add_secret_options
@click.argument("key")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@pass_invocation
def once_command(invocation: Invocation, /, key: str, command: tuple[str, ...], **given: Any) -> int:
    """run a command once for its key, across all that use the store

    \b
      mainspring once "invoice:$ID" -- ./send-invoice.sh "$ID"
      mainspring once disk-full --within 1h -- ./alert.sh "disk at $PERCENT"

    The first call runs COMMAND and records that it is done. Each later call with the same key runs nothing and exits with 0.

    COMMAND decides the outcome: 0 = done, 75 = nothing was done. After any other code, a signal or a crash, the effect may have happened:
    it is in doubt until a person decides (`mainspring effects list --state in_doubt`).

    The exit code is the command's own. Others mean that it was not run:

    \b
      0    it was done before                       75   the store is away, or another call performs it
      6    it is in doubt: a person must decide     126  it cannot be run
      8    the key was used for something else      127  it was not found
      2    usage or configuration, or no store      128+n  signal n ended it

    Input, output and errors pass through unchanged, and so do TERM, INT and HUP. The environment of the command holds
    MAINSPRING_IDEMPOTENCY_KEY, the id of this effect. It holds PGPASSWORD, MAINSPRING_STORE_URL and MAINSPRING_SECRET_* only with
    --pass-env.
    """  # noqa: D301 - \b is for click, and the first line is a line of a list
    from mainspring.app.exec.command_secrets import read_command_secrets
    from mainspring.app.exec.plan import PassedSecrets
    from mainspring.app.once_process import NOTHING_DONE_EXIT_CODE, OncePlan, OnceProcess
    from mainspring.app.project import Project
    from mainspring.resources.secret_variables import SECRET_VARIABLES
    from mainspring.service.actor import user_name

    SECRET_VARIABLES.allow(given["pass_env"])
    names, secrets = (given["secrets"], given["secret_files"]), PassedSecrets()
    if any(names):
        secrets = read_command_secrets(invocation.settings, *names, actor=f"once of {user_name()}")
    plan = OncePlan(
        request=_make_request(key, command, given),
        words=list(command),
        failed_means_not_done=given["failed_means_not_done"],
        secrets=secrets,
    )
    try:
        return OnceProcess(Project(invocation.settings), plan).run()
    except StoreError as error:
        report_error(error, invocation)
        return NOTHING_DONE_EXIT_CODE


def _make_request(key: str, command: tuple[str, ...], given: dict[str, Any]) -> "EffectRequest":
    """Return the request for the effect. Raises ArgumentError, ValueRefusedError, UsageError."""
    from mainspring.cli.json_values import read_json_value
    from mainspring.domain.effects.effect import Recovery
    from mainspring.domain.effects.identity import encode_identity, require_key
    from mainspring.resources.effects import EffectRequest

    if given["conflict"] == "error" and given["within"] is None:
        raise click.UsageError(
            "--conflict error needs --within\nWithout --within, another identity is an error anyway."
        )
    identity = list(command) if given["identity"] is None else read_json_value(given["identity"], "--identity")
    within = given["within"]
    return EffectRequest(
        require_key(key),
        encode_identity(key, identity),
        None if within is None else to_milliseconds(within),
        Recovery.PERSON,
        given["conflict"] == "error",
        given["wait"].total_seconds(),
    )
