-- No claim made them, and no undo is theirs: the run that was forked undoes what it did.
insert into journal (run, rank, ident, name, kind, state, request_number, requested_after, attempt, generation, claim, input, output, failure,
                     started_at, at, duration_us)
select cast(:fork as text), rank - cast(:shift as bigint), ident, name, kind, state, request_number, requested_after, attempt, 0, 0, input, output,
       failure, started_at, at, duration_us
from journal where run = :source and rank between :first and :last
