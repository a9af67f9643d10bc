select {{columns.journal.outcome}} from journal
where run = ?1 and kind = {{answer}} and superseded is null and state = {{succeeded}} order by rank desc limit ?2
