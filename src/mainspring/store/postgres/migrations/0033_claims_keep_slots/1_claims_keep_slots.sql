-- A claim frees no slot: the run was ready in its slot, and runs in it. So a claim does not look for the next run of the key.
drop trigger runs_note_key on runs;
drop trigger runs_share_slots on runs;
create trigger runs_note_key after update of state, ready, blocked on runs for each row
when (new.concurrency_key is not null and not (new.state = 'running' and new.has_slot = 1 and old.has_slot = 1)) execute function runs_note_key();
create constraint trigger runs_share_slots after update of state, ready, blocked on runs deferrable initially deferred for each row
when (new.concurrency_key is not null and not (new.state = 'running' and new.has_slot = 1 and old.has_slot = 1)) execute function runs_share_slots();

-- A key without a line needs no look at its limit, and the keys of one automation share one look.
create or replace function runs_share_slots() returns trigger language plpgsql set search_path from current as $$
declare
    noted text := coalesce(current_setting('mainspring.changed_keys', true), '');
    entry text;
    pair text[];
    limited text;
    most bigint;
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
        continue when not exists (
            select 1 from runs where automation = pair[1] and concurrency_key = pair[2] and blocked = 'concurrency'
        );
        if limited is distinct from pair[1] then
            limited := pair[1];
            select coalesce((convert_from(definition, 'UTF8')::jsonb #>> '{options,concurrency}')::bigint, 1000) into most
            from automations where name = limited;
        end if;
        slots := coalesce(most, 1) - (select count(*) from runs where automation = pair[1] and concurrency_key = pair[2] and has_slot = 1);
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
