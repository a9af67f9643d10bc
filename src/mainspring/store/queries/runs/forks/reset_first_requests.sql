update journal set requested_after = 0 where run = ? and requested_after < ?
