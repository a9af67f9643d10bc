-- Run by run: otherwise the server scans all failures as soon as a few hundred runs are requested.
select last.seq, last.run, last.automation, last.state, last.reason, last.ident, last.failure, last.at, last.fingerprint, last.settlement,
       last.settled_at, last.settled_by
from json_each(?1) as requested
join lateral (select * from failures where failures.run = requested.value order by failures.seq desc limit 1) as last on true
