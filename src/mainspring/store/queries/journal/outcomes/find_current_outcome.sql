select rank, asked, state, kind from journal where run = ? and ident = ? and superseded is null order by rank desc limit 1
