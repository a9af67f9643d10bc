-- Large values are stored by reference: a column holds x'0040', the key of a blob (84), then a digest. The key is the day of the put (8),
-- the SHA-256 of the stored bytes (64) and their size (12). Triggers alone write the rows of both tables, so that no statement can forget one.
create table blobs (
    blob            text collate "C" primary key,   -- its key
    unreferenced_at bigint                          -- null = a column refers to it; 0 = none any more, since the last sweep
);
create index blobs_unreferenced on blobs (unreferenced_at) where unreferenced_at is not null;

-- The columns that hold a reference to a blob.
create table blob_references (
    holder text collate "C" primary key,            -- TABLE.COLUMN:KEY
    blob   text collate "C" not null
);
create index references_of_blob on blob_references (blob);

-- The first open day. A blob of a closed day may have been deleted, unless a row of blobs stands for it.
insert into meta (key, value) values ('blobs.open_from', '00000000');

-- The blobs themselves, where `store.blobs` names no other place. They are put in transactions of their own, before the commit that
-- names them.
create table blob_contents (
    day     bigint not null,
    address text collate "C" not null,
    data    bytea not null,
    primary key (day, address)
);
alter table blob_contents alter column data set storage external;

-- A column refers to a blob from now on. The first open day is locked first, so that a day closes after the commits that still count on it,
-- and no sweep waits in a cycle. A row that needs no change is locked only against its deletion: many runs may hold one blob at once.
create function hold_blob(named_holder text, named_blob text) returns void language plpgsql set search_path from current as $$
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
    insert into blob_references (holder, blob) values (named_holder, named_blob) on conflict (holder) do update set blob = excluded.blob;
end $$;

create function release_blob() returns trigger language plpgsql set search_path from current as $$
begin
    update blobs set unreferenced_at = 0 where blob = old.blob and not exists (select 1 from blob_references r where r.blob = old.blob);
    return null;
end $$;
create trigger blob_released after delete on blob_references for each row execute function release_blob();
create trigger blob_replaced after update on blob_references for each row when (old.blob <> new.blob) execute function release_blob();

-- Counts the references in one row. Arguments: the columns of its key, and its columns of values.
create function track_blobs() returns trigger language plpgsql set search_path from current set bytea_output = 'hex' as $$
declare
    was jsonb := to_jsonb(old);
    now jsonb := to_jsonb(new);
    key text := (select string_agg(coalesce(now, was) ->> k, '/' order by n)
                 from unnest(string_to_array(tg_argv[0], ' ')) with ordinality as keys(k, n));
    value_column text;
    place text;
begin
    foreach value_column in array string_to_array(tg_argv[1], ' ') loop
        place := tg_table_name || '.' || value_column || ':' || key;
        if left(now ->> value_column, 6) = '\x0040' then
            perform hold_blob(place, convert_from(substring(decode(substring(now ->> value_column from 3), 'hex') from 3 for 84), 'UTF8'));
        elsif left(was ->> value_column, 6) = '\x0040' then
            delete from blob_references where holder = place;
        end if;
    end loop;
    return null;
end $$;
