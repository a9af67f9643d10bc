select {{columns.attempts.attempt}}
from attempts where run = ?1 and ident = ?2 order by generation desc, attempt desc limit ?3
