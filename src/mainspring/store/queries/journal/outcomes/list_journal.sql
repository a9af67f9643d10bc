select {{columns.journal.outcome}}
from journal where run = ?1 and (cast(?2 as bigint) is null or rank < ?2) order by rank desc limit ?3
