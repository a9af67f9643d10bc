-- The limit of an automation that no worker has announced is not known: one run of a key is ready until then.
drop trigger runs_share_slots;
create trigger runs_share_slots after update of state, ready, blocked on runs
when new.concurrency_key is not null
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
