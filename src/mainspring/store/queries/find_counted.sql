select rank, asked, state from journal where run = ? and ident = ? and superseded is null order by rank desc limit 1
