select {{columns.journal.outcome}}
from journal where run = ?1 and ident = ?2 order by rank desc limit ?3
