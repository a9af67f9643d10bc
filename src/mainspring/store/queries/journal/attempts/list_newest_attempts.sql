select {{columns.attempts.newest_attempt}}
from attempts where run = ?1 order by request_number desc, generation desc, attempt desc limit ?2
