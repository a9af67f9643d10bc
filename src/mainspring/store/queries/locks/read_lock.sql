select 1 as is_holder, locks.slot as place, locks.owner, locks.session, locks.token, locks.acquired_at as since_at, 0 as until_at, locks.slots, locks.note,
       case when locks.session is null or sessions.state in ({{alive}}, {{draining}}) then 1 else 0 end as live, locks.received
from locks left join sessions on sessions.id = locks.session where locks.name = ?1
union all
select 0, lock_waiters.ticket, lock_waiters.owner, lock_waiters.session, 0, lock_waiters.since_at, lock_waiters.until_at, lock_waiters.slots, lock_waiters.note,
       case when sessions.state in ({{alive}}, {{draining}}) then 1 else 0 end, 0
from lock_waiters left join sessions on sessions.id = lock_waiters.session where lock_waiters.name = ?1
order by 1 desc, 2
