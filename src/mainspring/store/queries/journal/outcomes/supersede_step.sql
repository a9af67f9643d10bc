update journal set superseded = ? where run = ? and ident = ? and superseded is null
