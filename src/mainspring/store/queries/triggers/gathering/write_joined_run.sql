insert into joined_runs (trigger, per, automation, run, state, counts, delivery, at) values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (trigger, per, automation) do update set run = excluded.run, state = excluded.state, counts = excluded.counts, delivery = excluded.delivery,
                                                     at = excluded.at
