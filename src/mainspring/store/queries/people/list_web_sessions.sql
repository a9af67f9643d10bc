select s.hash, s.id, s.name, s.source, coalesce(s.role, p.role), case when s.role is null then p.automations else s.automations end,
       s.address, s.browser, s.made_at, s.seen_at, s.until_at
from web_sessions as s left join people as p on p.name = s.name and s.role is null
where (cast(?1 as text) is null or s.name = ?1) and s.until_at > ?2 and s.seen_at > ?3
order by s.seen_at desc, s.id limit ?4
