update journal set superseded = ? where run = ? and rank >= ? and superseded is null
