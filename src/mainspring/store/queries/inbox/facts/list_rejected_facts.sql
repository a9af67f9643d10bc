select seq, run, kind, name, at, ident, payload, failure, source, rejected_at from rejected_facts where run = ? order by seq
