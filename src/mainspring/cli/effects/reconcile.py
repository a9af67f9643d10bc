"""Comparison of the ledger with the targets of effects, `mainspring effects reconcile`."""

from typing import TYPE_CHECKING

from mainspring.cli import exits, params
from mainspring.cli.automations.automation_list import modules_option
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.app.reconciliation import ReconciliationResult


@command("reconcile", "ask the targets about effects, by check= of their actions")
@params.since_option
@modules_option
@pass_invocation
def reconcile(invocation: Invocation, since: str | None, modules: tuple[str, ...]) -> int:
    """Asks about the effects that changed --since (default 2d) whose action has once= and check=. It performs none.

    An effect of unknown outcome that the target has becomes done. One that is on record as done and that the target does not have is
    in doubt from then on: confirm or forget it. Workers do this each day. The exit code is 9 if something differs or a check fails.
    """
    from mainspring.app import reconciliation

    invocation.require_store()
    actions = reconciliation.list_checked_actions(invocation.registry(modules))
    since_at = params.read_instant(invocation, since or "2d") or 0
    result = reconciliation.reconcile(
        invocation.store, actions, invocation.sealing, invocation.clock, since_at, invocation.act
    )
    invocation.output.document(result, lambda: _print(invocation, result, len(actions)))
    return exits.CHECK_FAILED if result.missing or result.failed else exits.OK


def _print(invocation: Invocation, result: "ReconciliationResult", actions: int) -> None:
    output = invocation.output
    compared = formatting.format_count(result.checked, "effect")
    output.line(f"{formatting.format_count(actions, 'action')} with once= and check=, {compared} compared")
    for key in result.confirmed:
        output.line(f"  done     {formatting.escape_line(key)}: its outcome was unknown, and the target has it")
    for key in result.missing:
        output.line(f"  missing  {formatting.escape_line(key)}: on record as done, and the target does not have it")
    for key, error in result.failed.items():
        output.line(f"  failed   {formatting.escape_line(key)}: {error}")
    if result.missing:
        output.line(
            "Next: mainspring effects confirm KEY if it happened, mainspring effects forget KEY if it should happen again."
        )
