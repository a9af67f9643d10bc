-- A value that holds files begins with x'0040', too. After it stands the list of the keys of all its blobs, as JSON, and then the value.
-- So one column may refer to many blobs. The key of the store by which it recognizes its own files:
insert into meta (key, value) values ('files.key', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

alter table blob_references drop constraint blob_references_pkey;
alter table blob_references add primary key (holder, blob);
drop trigger blob_replaced on blob_references;

-- A column refers to a blob from now on. The first open day is locked first, so that a day closes after the commits that still count on it,
-- and no sweep waits in a cycle. A row that needs no change is locked only against its deletion: many runs may hold one blob at once.
create or replace function hold_blob(named_holder text, named_blob text) returns void language plpgsql set search_path from current as $$
declare
    open_from text;
begin
    select value into open_from from meta where key = 'blobs.open_from' for share;
    perform 1 from blobs where blob = named_blob and unreferenced_at is null for key share;
    if not found then
        update blobs set unreferenced_at = null where blob = named_blob;
        if not found then
            if left(named_blob, 8) < open_from collate "C" then
                raise exception 'blob_of_closed_day';
            end if;
            insert into blobs (blob) values (named_blob) on conflict (blob) do update set unreferenced_at = null;
        end if;
    end if;
    insert into blob_references (holder, blob) values (named_holder, named_blob) on conflict do nothing;
end $$;

-- Counts the references in one row. Arguments: the columns of its key, and its columns of values.
create or replace function track_blobs() returns trigger language plpgsql set search_path from current set bytea_output = 'hex' as $$
declare
    was jsonb := to_jsonb(old);
    now jsonb := to_jsonb(new);
    key text := (select string_agg(coalesce(now, was) ->> k, '/' order by n)
                 from unnest(string_to_array(tg_argv[0], ' ')) with ordinality as keys(k, n));
    value_column text;
    place text;
    held bytea;
    held_blobs text[];
begin
    foreach value_column in array string_to_array(tg_argv[1], ' ') loop
        continue when (now ->> value_column) is not distinct from (was ->> value_column);
        place := tg_table_name || '.' || value_column || ':' || key;
        held_blobs := '{}';
        if left(now ->> value_column, 6) = '\x0040' then
            held := decode(substring(now ->> value_column from 7), 'hex');
            if substring(held from 1 for 1) = '\x5b' then
                held_blobs := array(select jsonb_array_elements_text(
                    convert_from(substring(held from 1 for position('\x5d'::bytea in held)), 'UTF8')::jsonb));
            else
                held_blobs := array[convert_from(substring(held from 1 for 84), 'UTF8')];
            end if;
        end if;
        if left(was ->> value_column, 6) = '\x0040' then
            delete from blob_references where holder = place and blob <> all (held_blobs);
        end if;
        perform hold_blob(place, named) from unnest(held_blobs) as named;
    end loop;
    return null;
end $$;
