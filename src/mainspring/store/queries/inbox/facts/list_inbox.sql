select seq, run, kind, name, at, ident, payload, failure, source from inbox where run = ? order by seq
