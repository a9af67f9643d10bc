select seq, run, automation, state, reason, ident, failure, at, healthy, settlement from failures where fingerprint is null order by seq limit ?
