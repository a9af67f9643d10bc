select {{columns.journal.current_outcome}} from journal where run = ? and ident = ? and superseded is null order by rank desc limit 1
