select {{columns.inbox.fact}} from inbox where run = ? order by seq
