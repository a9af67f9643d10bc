-- Slots of concurrency keys: of the runs of one automation and key, only those with a slot are ready or run. The others wait in line,
-- outside of the index of ready runs (blocked = 'concurrency'). The limit is the option `concurrency` of the definition in force.
alter table runs add column concurrency_key text collate "C";          -- null = its automation has no limit; '' = one key for all
alter table runs add column has_slot bigint not null default 0;        -- 1 = it is ready or runs within the limit of its key
-- Continued runs come before new ones, then the priority decides.
create index runs_in_line on runs (automation, concurrency_key, fresh, priority desc, seq) where blocked = 'concurrency';
create index runs_with_slot on runs (automation, concurrency_key) where has_slot = 1;
create index runs_of_concurrency_key on runs (automation, concurrency_key) where concurrency_key is not null and finished_at is null;

-- Notes the key of a changed run in a setting of the transaction, for `runs_share_slots`.
create function runs_note_key() returns trigger language plpgsql as $$
declare
    noted text := coalesce(current_setting('mainspring.changed_keys', true), '');
    entry text := ';' || encode(convert_to(new.automation || e'\x1f' || new.concurrency_key, 'UTF8'), 'hex') || ';';
begin
    if noted <> 'sharing' and position(entry in noted) = 0 then
        perform set_config('mainspring.changed_keys', noted || entry, true);
    end if;
    return null;
end $$;

-- A run that neither runs nor is ready gives its slot back; one that becomes ready without a slot joins the line; free slots go to the
-- first of the line. The place of a run that gets a slot is that of now, so that the key that was served longest ago comes first.
--
-- It is done once, at the commit, for all keys that the transaction changed. Their locks are taken in one order and are the last of the
-- transaction; rows that another transaction has locked are left to that one. So no two transactions wait for each other in a cycle.
create function runs_share_slots() returns trigger language plpgsql set search_path from current as $$
declare
    noted text := coalesce(current_setting('mainspring.changed_keys', true), '');
    entry text;
    pair text[];
    slots bigint;
begin
    if noted in ('', 'sharing') then
        return null;
    end if;
    perform set_config('mainspring.changed_keys', 'sharing', true);
    for entry in select distinct part from unnest(string_to_array(noted, ';')) as part where part <> '' order by part loop
        perform pg_advisory_xact_lock(hashtextextended(current_schema() || ' concurrency ' || entry, 0));
    end loop;
    for entry in select distinct part from unnest(string_to_array(noted, ';')) as part where part <> '' order by part loop
        pair := string_to_array(convert_from(decode(entry, 'hex'), 'UTF8'), e'\x1f');
        update runs set has_slot = 0
        where automation = pair[1] and concurrency_key = pair[2] and has_slot = 1 and ready = 0 and state <> 'running';
        with chosen as materialized (
            select seq from runs where automation = pair[1] and concurrency_key = pair[2] and ready = 1 and has_slot = 0
            for update skip locked
        )
        update runs set ready = 0, blocked = 'concurrency' from chosen where runs.seq = chosen.seq;
        select coalesce((convert_from(definition, 'UTF8')::jsonb #>> '{options,concurrency}')::bigint, 1000) into slots
        from automations where name = pair[1];
        slots := coalesce(slots, 1000) - (select count(*) from runs where automation = pair[1] and concurrency_key = pair[2] and has_slot = 1);
        if slots > 0 then
            -- Materialized: a plan that reads it once more would find other rows, and pass the limit.
            with chosen as materialized (
                select seq from runs where automation = pair[1] and concurrency_key = pair[2] and blocked = 'concurrency'
                order by fresh, priority desc, seq limit slots for update skip locked
            )
            update runs set ready = 1, blocked = null, has_slot = 1, place = greatest(place, new.changed_at - priority * 60000)
            from chosen where runs.seq = chosen.seq;
        end if;
    end loop;
    return null;
end $$;
create trigger runs_note_key after update of state, ready, blocked on runs for each row
when (new.concurrency_key is not null) execute function runs_note_key();
create constraint trigger runs_share_slots after update of state, ready, blocked on runs deferrable initially deferred for each row
when (new.concurrency_key is not null) execute function runs_share_slots();
