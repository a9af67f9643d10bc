update journal set input = ? where run = ? and ident = ? and superseded is null
