update attempts set superseded = ? where run = ? and asked >= ? and superseded is null
