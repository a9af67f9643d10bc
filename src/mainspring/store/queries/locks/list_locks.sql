select locks.name, locks.owner, locks.session, locks.token, locks.acquired_at, locks.note, case when sessions.state in ({{alive}}, {{draining}}) then 1 else 0 end as live
from locks left join sessions on sessions.id = locks.session order by locks.name
