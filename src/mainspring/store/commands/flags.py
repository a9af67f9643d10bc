"""Commands on flags: changes by people, answers for runs, and counts of questions."""

from mainspring.domain.flags.flag import FlagAnswer, FlagQuestion
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, FlagChanged, Refused


class ChangeFlag(StoreCommand[FlagChanged | Refused], frozen=True):
    """Create a flag, or change the stated fields of one. Answer: FlagChanged, Refused wrong_state | not_found.

    `must_exist` = a flag that does not exist is refused.
    """

    flag: str
    change: FlagChange
    must_exist: bool = False


class DeleteFlag(StoreCommand[CommandDone | Refused], frozen=True):
    """Delete a flag. Runs keep their answers. Answer: CommandDone, Refused not_found."""

    flag: str


class AnswerFlag(BookkeepingCommand[FlagAnswer], frozen=True, tag="answer_flag"):
    """Return the answer that a run has for a key; without one, answer by the rules, and record it. Answer: FlagAnswer.

    `is_fresh` = answer by the rules now, and record nothing. `given` = the answer of a provider: it counts in place of the rules.
    """

    run: str
    generation: int
    question: FlagQuestion
    is_fresh: bool = False
    given: FlagAnswer | None = None


class RecordFlagUses(BookkeepingCommand[CommandDone], frozen=True):
    """Count questions. Answer: CommandDone.

    `number` rises with each of these commands of a session: a command that is sent again counts once. 0 = there is no session.
    """

    number: int
    uses: tuple[FlagUse, ...]
