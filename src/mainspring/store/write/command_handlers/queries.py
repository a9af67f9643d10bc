"""Handlers of the commands in `store/commands/queries.py`."""

from typing import Final

from mainspring.store.commands.queries import AcceptQuery, AnswerQuery, AskQuery
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.runs import queries

HANDLERS: Final[HandlerTable] = dict(
    (
        AskQuery.answered_by(queries.ask_query),
        AcceptQuery.answered_by(queries.accept_query),
        AnswerQuery.answered_by(queries.answer_query),
    )
)
