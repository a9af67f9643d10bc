"""`mainspring explain RUN`."""

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.insight.text import formatting


@command("explain", "explain what a run does, why, and what you can do")
@click.argument("run", type=params.RUN)
@pass_invocation
def explain_command(invocation: Invocation, run: str) -> None:
    """For a run that waits for its turn it names what blocks it and who can remove that."""
    from msgspec.structs import asdict

    from mainspring.cli.runs.questions import print_evidence
    from mainspring.cli.runs.show import read_run_history
    from mainspring.insight.runs.waits import read_evidence

    history, explanation = read_run_history(invocation, invocation.run_id(run))

    def print_text() -> None:
        output = invocation.output
        state = output.paint(
            formatting.format_state(history.run.state), formatting.COLOURS[history.run.state], bold=True
        )
        output.line(
            f"{formatting.escape_line(history.run.title or history.run.automation, 60)}  {history.run.id}  {state}"
        )
        for title, sentences in (("what", explanation.what), ("why", explanation.why), ("next", explanation.next)):
            for place, sentence in enumerate(sentences):
                output.line(f"  {title if not place else '':<5} {formatting.escape_line(sentence)}")
            if title == "what":
                print_evidence(output, history.waits)
        for place, suggestion in enumerate(explanation.can):
            output.line(f"  {'you can' if not place else '':<8} {suggestion.does}:")
            output.line(f"           $ {suggestion.command}")

    evidence = {wait.ident: found for wait in history.waits if (found := read_evidence(wait)) is not None}
    invocation.output.document(asdict(explanation) | {"evidence": evidence}, print_text)
