select {{columns.journal.outcome}}
from journal where run = ? order by rank
