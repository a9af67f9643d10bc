-- Large values are stored by reference: a column holds x'0040', the key of a blob (84), then a digest. The key is the day of the put (8),
-- the SHA-256 of the stored bytes (64) and their size (12). Triggers alone write the rows of both tables, so that no statement can forget one.
create table blobs (
    blob            text not null primary key,      -- its key
    unreferenced_at integer                         -- null = a column refers to it; 0 = none any more, since the last sweep
) strict, without rowid;
create index blobs_unreferenced on blobs (unreferenced_at) where unreferenced_at is not null;

-- The columns that hold a reference to a blob.
create table blob_references (
    holder text not null primary key,               -- TABLE.COLUMN:KEY
    blob   text not null
) strict, without rowid;
create index references_of_blob on blob_references (blob);

-- The first open day. A blob of a closed day may have been deleted, unless a row of blobs stands for it.
insert into meta (key, value) values ('blobs.open_from', '00000000');

create trigger blob_held after insert on blob_references
begin
    select raise(abort, 'blob_of_closed_day')
    where substr(new.blob, 1, 8) < (select value from meta where key = 'blobs.open_from') and not exists (select 1 from blobs where blob = new.blob);
    insert into blobs (blob) values (new.blob) on conflict (blob) do update set unreferenced_at = null;
end;
create trigger blob_released after delete on blob_references
begin
    update blobs set unreferenced_at = 0 where blob = old.blob and not exists (select 1 from blob_references where blob = old.blob);
end;
create trigger blob_replaced after update on blob_references when old.blob <> new.blob
begin
    select raise(abort, 'blob_of_closed_day')
    where substr(new.blob, 1, 8) < (select value from meta where key = 'blobs.open_from') and not exists (select 1 from blobs where blob = new.blob);
    insert into blobs (blob) values (new.blob) on conflict (blob) do update set unreferenced_at = null;
    update blobs set unreferenced_at = 0 where blob = old.blob and not exists (select 1 from blob_references where blob = old.blob);
end;
