-- Headers of runs: texts that go from a start through everything that follows from it. Fixed at the start.
alter table runs add column headers blob;                              -- sealed JSON; null = it has none

drop trigger runs_hold_blobs;
drop trigger runs_change_blobs;
drop trigger runs_release_blobs;
create trigger runs_hold_blobs after insert on runs when substr(new.input, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040' or substr(new.published, 1, 2) = x'0040' or substr(new.tags, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    insert into blob_references select 'runs.input:' || new.id, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'runs.result:' || new.id, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'runs.published:' || new.id, cast(substr(new.published, 3, 84) as text) where substr(new.published, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'runs.tags:' || new.id, cast(substr(new.tags, 3, 84) as text) where substr(new.tags, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'runs.headers:' || new.id, cast(substr(new.headers, 3, 84) as text) where substr(new.headers, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger runs_change_blobs after update of input, result, published, tags, headers on runs
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040' or substr(old.published, 1, 2) = x'0040' or substr(new.published, 1, 2) = x'0040' or substr(old.tags, 1, 2) = x'0040' or substr(new.tags, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'runs.input:' || old.id and coalesce(substr(new.input, 1, 2), x'') <> x'0040';
    insert into blob_references select 'runs.input:' || new.id, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'runs.result:' || old.id and coalesce(substr(new.result, 1, 2), x'') <> x'0040';
    insert into blob_references select 'runs.result:' || new.id, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'runs.published:' || old.id and coalesce(substr(new.published, 1, 2), x'') <> x'0040';
    insert into blob_references select 'runs.published:' || new.id, cast(substr(new.published, 3, 84) as text) where substr(new.published, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'runs.tags:' || old.id and coalesce(substr(new.tags, 1, 2), x'') <> x'0040';
    insert into blob_references select 'runs.tags:' || new.id, cast(substr(new.tags, 3, 84) as text) where substr(new.tags, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'runs.headers:' || old.id and coalesce(substr(new.headers, 1, 2), x'') <> x'0040';
    insert into blob_references select 'runs.headers:' || new.id, cast(substr(new.headers, 3, 84) as text) where substr(new.headers, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger runs_release_blobs after delete on runs when substr(old.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(old.published, 1, 2) = x'0040' or substr(old.tags, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('runs.input:' || old.id, 'runs.result:' || old.id, 'runs.published:' || old.id, 'runs.tags:' || old.id, 'runs.headers:' || old.id);
end;
