select {{columns.journal.outcome_outline}}
from journal where run = ?1 and rank in (
    select newest.rank from (select rank from journal where run = ?1 order by rank desc limit ?2) as newest
    union
    select marked.rank from (
        select rank from journal where run = ?1 and (state <> {{succeeded}} or undo is not null or kind = {{undo}})
        order by rank desc limit ?2
    ) as marked
    union
    select opening.rank from (
        select rank from journal where run = ?1 and kind = {{step}} and superseded is null order by request_number limit 1
    ) as opening
    union
    select rank from journal where run = ?1 and ident = ?3
)
order by rank
