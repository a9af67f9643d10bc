select seq, run, automation, state, reason, ident, failure, at, healthy from faults where fingerprint is null order by seq limit ?
