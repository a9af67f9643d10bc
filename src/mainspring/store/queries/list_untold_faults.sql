select seq, run, automation, state, reason, ident, failure, at from faults where fingerprint is null order by seq limit ?
