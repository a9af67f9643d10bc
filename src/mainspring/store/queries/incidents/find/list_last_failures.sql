-- The last failure of each of these runs, if there is one.
select seq, run, automation, state, reason, ident, failure, at, fingerprint, settlement, settled_at, settled_by from failures
where seq in (select max(seq) from failures where run in (select value from json_each(?)) group by run)
