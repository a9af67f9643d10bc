update attempts set next_at = next_at + :by where run in (select value from json_each(:runs)) and next_at > :pending
