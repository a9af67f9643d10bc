select 1 from journal where run = ? and ident = ? and superseded is null
