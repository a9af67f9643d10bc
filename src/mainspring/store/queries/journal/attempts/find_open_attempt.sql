select state from attempts where run = ? and ident = ? and superseded is null order by attempt desc limit 1
