select {{columns.inbox.fact}} from inbox where run = ? and kind <> {{resume}} order by seq
