-- What these runs wait for was computed by the clock as it was before this transaction.
update runs set due_at = due_at + :by, place = place + :by
where id in (select value from json_each(:runs)) and state in ({{waiting}}, {{retrying}}) and changed_at = :now and due_at > :pending
