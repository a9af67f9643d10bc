-- Slots of concurrency keys: of the runs of one automation and key, only those with a slot are ready or run. The others wait in line,
-- outside of the index of ready runs (blocked = 'concurrency'). The limit is the option `concurrency` of the definition in force.
alter table runs add column concurrency_key text;                      -- null = its automation has no limit; '' = one key for all
alter table runs add column has_slot integer not null default 0;       -- 1 = it is ready or runs within the limit of its key
-- Continued runs come before new ones, then the priority decides.
create index runs_in_line on runs (automation, concurrency_key, fresh, priority desc, seq) where blocked = 'concurrency';
create index runs_with_slot on runs (automation, concurrency_key) where has_slot = 1;
create index runs_of_concurrency_key on runs (automation, concurrency_key) where concurrency_key is not null and finished_at is null;

-- A run that neither runs nor is ready gives its slot back; one that becomes ready without a slot joins the line; free slots go to the
-- first of the line. The place of a run that gets a slot is that of now, so that the key that was served longest ago comes first.
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
        limit max(0, coalesce((select json_extract(cast(definition as text), '$.options.concurrency') from automations where name = new.automation), 1000)
                     - (select count(*) from runs
                        where automation = new.automation and concurrency_key = new.concurrency_key and has_slot = 1))
    );
end;
