select run, ident, value, done, total, at from checkpoints where run in (select value from json_each(?))
