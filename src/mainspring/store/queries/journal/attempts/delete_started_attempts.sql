delete from attempts where run = ? and ident = ? and state = {{started}}
