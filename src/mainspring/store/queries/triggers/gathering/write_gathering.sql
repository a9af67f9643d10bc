insert into gatherings (trigger, per, wanted, deadline_at, changed_at) values (?1, ?2, ?3, ?4, ?5)
on conflict (trigger, per) do update set wanted = excluded.wanted
