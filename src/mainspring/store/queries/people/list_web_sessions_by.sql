select s.hash, s.id, s.name, s.source, coalesce(s.role, p.role), case when s.role is null then p.automations else s.automations end,
       s.address, s.browser, s.made_at, s.seen_at, s.until_at
from web_sessions as s left join people as p on p.name = s.name and s.role is null
where s.hash in (select value from json_each(?1))
