"""Uses of commands, for a type checker: each line that carries a comment of `type: ignore` must be an error without it."""

from typing import assert_type

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import ApplyRetention, AuditedCommand, SetMeta
from mainspring.store.commands.results import CommandDone, NumberAnswer, Refused, StartAnswer
from mainspring.store.commands.runs import ClaimedRuns, ClaimRuns, StartRun
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.store.transaction import Transaction


def apply_returns_the_answer_of_its_command(
    store: Store, start: StartRun, claim: ClaimRuns, retention: ApplyRetention, setting: SetMeta
) -> None:
    assert_type(store.apply(start), StartAnswer | Refused)
    assert_type(store.apply(claim), ClaimedRuns)
    assert_type(store.apply(retention).number, int)
    assert_type(store.apply(AuditedCommand("c", "a", "v", "s", setting)), CommandDone | Refused)
    str(store.apply(start).run)  # type: ignore[union-attr]
    store.apply("start")  # type: ignore[arg-type]


def perform_returns_the_answer_without_refusals(
    store: Store, act: OperationContext, start: StartRun, setting: SetMeta
) -> None:
    assert_type(perform(store, act, "start", "automation:a", start), StartAnswer)
    assert_type(perform(store, act, "release", "store:held", setting), CommandDone)
    str(perform(store, act, "start", "automation:a", start).number)  # type: ignore[attr-defined]


async def a_coroutine_gets_the_answer(store: Store, start: StartRun) -> None:
    assert_type(await commit_and_wait(store, start), StartAnswer | Refused)


def a_callback_accepts_every_answer_and_an_error(store: Store, start: StartRun) -> None:
    def everything(answer: StartAnswer | Refused | BaseException) -> None: ...

    def anything(answer: object) -> None: ...

    def no_refusal(answer: StartAnswer | BaseException) -> None: ...

    def no_error(answer: StartAnswer | Refused) -> None: ...

    def of_other_command(answer: NumberAnswer | Refused | BaseException) -> None: ...

    store.submit(start, everything)
    store.submit(start, anything)
    store.submit(start, no_refusal)  # type: ignore[arg-type]
    store.submit(start, no_error)  # type: ignore[arg-type]
    store.submit(start, of_other_command)  # type: ignore[arg-type]


def _start(tx: Transaction, command: StartRun) -> StartAnswer:
    return StartAnswer(command.id, created=True)


def _count(tx: Transaction, command: StartRun) -> NumberAnswer:
    return NumberAnswer(1)


def _claim(tx: Transaction, command: ClaimRuns) -> Refused:
    return Refused("no")


StartRun.answered_by(_start)
StartRun.answered_by(_count)  # type: ignore[arg-type]
StartRun.answered_by(_claim)  # type: ignore[arg-type]
ClaimRuns.answered_by(_claim)  # type: ignore[arg-type]
