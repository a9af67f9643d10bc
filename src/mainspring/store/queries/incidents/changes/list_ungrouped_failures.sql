select seq, run, automation, state, reason, ident, failure, at, healthy, settled_how from failures where fingerprint is null order by seq limit ?
