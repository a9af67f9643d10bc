"""A paid table and a step that pays, for the tests of transactional delivery."""

import contextlib

import apsw

from mainspring.domain.values.function_signature import read_signature
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.attempts.transactional_call import build_transactional_call


def make(file):
    with contextlib.closing(apsw.Connection(str(file))) as raw:
        raw.execute("create table if not exists paid (id integer primary key, amount)")
    return file


def paid(path):
    with contextlib.closing(apsw.Connection(str(path))) as raw:
        return [amount for (amount,) in raw.execute("select amount from paid")]


def spec_of(fn, key="key-1", **more):
    return AttemptSpec(
        run_id="run-1",
        ident="pay",
        name="pay",
        key=key,
        attempt=1,
        fn=fn,
        signature=read_signature(fn, 1),
        isolate="thread",
        **more,
    )


def call(database, fn, *args, key="key-1"):
    return build_transactional_call(database, spec_of(fn, key))(*args)


def pay(tx: Tx, amount: int) -> dict[str, int]:
    tx.execute("insert into paid (amount) values (?)", (amount,))
    return {"id": tx.last_rowid, "amount": amount}
