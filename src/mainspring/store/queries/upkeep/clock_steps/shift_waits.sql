update waits set until_at = until_at + :by where run in (select value from json_each(:runs)) and until_at > :pending
