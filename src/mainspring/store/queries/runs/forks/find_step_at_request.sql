select ident from journal where run = ? and request_number = ? and superseded is null order by rank limit 1
