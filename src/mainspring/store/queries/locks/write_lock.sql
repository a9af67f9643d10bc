insert into locks (name, slot, owner, session, token, acquired_at, note, slots, received) values (:name, :slot, :owner, :session, :token, :now, :note, :slots, :received)
on conflict (name, slot) do update set owner = excluded.owner, session = excluded.session, token = excluded.token, acquired_at = excluded.acquired_at,
                                       note = excluded.note, slots = excluded.slots, received = excluded.received
