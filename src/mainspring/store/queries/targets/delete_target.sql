delete from http_targets where target = ?
