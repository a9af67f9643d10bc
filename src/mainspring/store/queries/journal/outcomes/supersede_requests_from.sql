update journal set superseded = ? where run = ? and request_number >= ? and superseded is null
