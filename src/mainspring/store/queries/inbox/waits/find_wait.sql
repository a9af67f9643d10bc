select filled from waits where run = ? and ident = ?
