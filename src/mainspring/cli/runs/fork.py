"""`mainspring runs fork`: a new run from a step of a finished one."""

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.json_values import find_sealing, read_json_bytes
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import ArgumentError


@command("fork", "start a new run from a step of a finished one")
@click.argument("run", type=params.RUN)
@click.option("--from-step", "step", type=params.STEP, metavar="STEP", help="the first step that runs")
@click.option("--from-end", is_flag=True, help="keep all results: continue where a cancelled run ended")
@click.option("--input", "text", metavar="JSON", help="another input, all of it: a JSON object, @FILE, or - for stdin")
@click.option("--key", help="the run key of the fork; without it, it has none")
@click.option("--partition", metavar="KEY", help="the partition key of the fork; without it, it has none")
@pass_invocation
def fork(
    invocation: Invocation,
    run: str,
    *,
    step: str | None,
    from_end: bool,
    text: str | None,
    key: str | None,
    partition: str | None,
) -> None:
    """The fork inherits all results from before STEP, and does the rest with the code of now. RUN stays as it is.

    The fork has idempotency keys of its own, so a repeated step repeats its effect. It never undoes what it inherited. Keys of ms.once
    still hold. STEP is the name of a step, or its identity if several steps have that name.
    """
    from mainspring.domain.runs.fork_origin import read_fork_origin
    from mainspring.insight.text import formatting
    from mainspring.service.runs.run_fork import ForkOptions
    from mainspring.service.runs.run_start import encode_arguments
    from mainspring.store.read.runs.run_views import run_view

    if (step is None) is not from_end:
        raise click.UsageError("name the step with --from-step STEP, or use --from-end")
    run_id = invocation.run_id(run)
    sealing = find_sealing(invocation, run_id)
    engine = invocation.engine(sealing)
    definition = engine.find_definition(run_view(invocation.reader, run_id).automation)
    data = None if text is None else encode_arguments(definition, _read_arguments(text), sealing.limit)
    options = ForkOptions(data, key, partition)
    answer = engine.fork(definition, run_id, step, act=invocation.act, options=options)
    origin = read_fork_origin(run_view(invocation.reader, answer.run).fork)
    number = 0 if origin is None else origin.last_rank
    sentence = f"{answer.run} is a fork of {run_id}: it inherits {formatting.format_count(number, 'outcome')}."
    if not answer.created:
        sentence = f"{answer.run} has this key already: no fork was started."
    document = {"run": answer.run, "created": answer.created, "state": answer.state, "inherited": number}
    invocation.output.document(document, sentence)
    invocation.output.hint(f"Follow it: mainspring runs watch {answer.run}")


def _read_arguments(text: str) -> dict[str, object]:
    """Return the arguments in a JSON object. Raises ArgumentError."""
    import msgspec

    arguments = msgspec.json.decode(read_json_bytes(text, "the input"))
    if not isinstance(arguments, dict):
        raise ArgumentError("the input is no JSON object", hint='Write {"name": value, ...}.')
    return arguments
