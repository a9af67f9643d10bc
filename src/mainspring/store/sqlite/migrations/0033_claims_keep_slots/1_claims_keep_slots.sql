-- A claim frees no slot: the run was ready in its slot, and runs in it. So a claim does not look for the next run of the key.
drop trigger runs_share_slots;
create trigger runs_share_slots after update of state, ready, blocked on runs
when new.concurrency_key is not null and not (new.state = 'running' and new.has_slot = 1 and old.has_slot = 1)
begin
    update runs set has_slot = 0 where seq = new.seq and has_slot = 1 and ready = 0 and state <> 'running';
    update runs set ready = 0, blocked = 'concurrency' where seq = new.seq and ready = 1 and has_slot = 0;
    update runs set ready = 1, blocked = null, has_slot = 1, place = max(place, new.changed_at - priority * 60000)
    where seq in (
        select seq from runs
        where automation = new.automation and concurrency_key = new.concurrency_key and blocked = 'concurrency'
        order by fresh, priority desc, seq
        limit max(0, coalesce((select coalesce(json_extract(cast(definition as text), '$.options.concurrency'), 1000) from automations where name = new.automation), 1)
                     - (select count(*) from runs
                        where automation = new.automation and concurrency_key = new.concurrency_key and has_slot = 1))
    );
end;
