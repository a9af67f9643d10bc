delete from waits where run = ?
