insert into gatherings (trigger, per, expected, deadline_at, changed_at) values (?1, ?2, ?3, ?4, ?5)
on conflict (trigger, per) do update set expected = excluded.expected
