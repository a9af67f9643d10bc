select {{columns.attempts.attempt}}
from attempts where run = ? order by asked, generation, attempt
