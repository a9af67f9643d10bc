select ident from journal where run = ? and kind = {{undo}} and state != {{succeeded}} and superseded is null
