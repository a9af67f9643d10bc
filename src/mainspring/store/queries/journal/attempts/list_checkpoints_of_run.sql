select ident, value, done, total, at from checkpoints where run = ?
