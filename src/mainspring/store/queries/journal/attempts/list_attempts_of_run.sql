select {{columns.attempts.attempt}}
from attempts where run = ? order by request_number, generation, attempt
