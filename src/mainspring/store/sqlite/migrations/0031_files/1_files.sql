-- A value that holds files begins with x'0040', too. After it stands the list of the keys of all its blobs, as JSON, and then the value.
-- So one column may refer to many blobs. The key of the store by which it recognizes its own files:
insert into meta (key, value) values ('files.key', lower(hex(randomblob(32))));

drop trigger effects_hold_blobs;
drop trigger effects_change_blobs;
drop trigger effects_release_blobs;
drop trigger events_hold_blobs;
drop trigger events_change_blobs;
drop trigger events_release_blobs;
drop trigger inbox_hold_blobs;
drop trigger inbox_change_blobs;
drop trigger inbox_release_blobs;
drop trigger rejected_facts_hold_blobs;
drop trigger rejected_facts_change_blobs;
drop trigger rejected_facts_release_blobs;
drop trigger run_queries_hold_blobs;
drop trigger run_queries_change_blobs;
drop trigger run_queries_release_blobs;
drop trigger run_updates_hold_blobs;
drop trigger run_updates_change_blobs;
drop trigger run_updates_release_blobs;
drop trigger waits_hold_blobs;
drop trigger waits_change_blobs;
drop trigger waits_release_blobs;
drop trigger attempts_hold_blobs;
drop trigger attempts_change_blobs;
drop trigger attempts_release_blobs;
drop trigger checkpoints_hold_blobs;
drop trigger checkpoints_change_blobs;
drop trigger checkpoints_release_blobs;
drop trigger journal_hold_blobs;
drop trigger journal_change_blobs;
drop trigger journal_release_blobs;
drop trigger runs_hold_blobs;
drop trigger runs_change_blobs;
drop trigger runs_release_blobs;
drop trigger deliveries_hold_blobs;
drop trigger deliveries_change_blobs;
drop trigger deliveries_release_blobs;
drop trigger outbox_hold_blobs;
drop trigger outbox_change_blobs;
drop trigger outbox_release_blobs;
drop trigger blob_held;
drop trigger blob_released;
drop trigger blob_replaced;
drop index references_of_blob;
alter table blob_references rename to old_blob_references;

-- The columns that hold references to blobs.
create table blob_references (
    holder text not null,                           -- TABLE.COLUMN:KEY
    blob   text not null,
    primary key (holder, blob)
) strict, without rowid;
insert into blob_references (holder, blob) select holder, blob from old_blob_references;
drop table old_blob_references;
create index references_of_blob on blob_references (blob);

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
-- The triggers of the tables insert a list as it is: it becomes a row for each key.
create trigger blobs_listed before insert on blob_references when substr(new.blob, 1, 1) = '['
begin
    insert into blob_references select new.holder, value from json_each(new.blob);
    select raise(ignore);
end;

create trigger effects_hold_blobs after insert on effects when substr(new.identity, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    insert into blob_references select 'effects.identity:' || new.key, cast(substr(new.identity, 3, iif(substr(new.identity, 3, 1) = x'5b', instr(new.identity, x'5d') - 2, 84)) as text) where substr(new.identity, 1, 2) = x'0040';
    insert into blob_references select 'effects.result:' || new.key, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040';
end;
create trigger effects_change_blobs after update of identity, result on effects
when substr(old.identity, 1, 2) = x'0040' or substr(new.identity, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'effects.identity:' || old.key and new.identity is not old.identity;
    insert into blob_references select 'effects.identity:' || new.key, cast(substr(new.identity, 3, iif(substr(new.identity, 3, 1) = x'5b', instr(new.identity, x'5d') - 2, 84)) as text) where substr(new.identity, 1, 2) = x'0040' and new.identity is not old.identity;
    delete from blob_references where holder = 'effects.result:' || old.key and new.result is not old.result;
    insert into blob_references select 'effects.result:' || new.key, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040' and new.result is not old.result;
end;
create trigger effects_release_blobs after delete on effects when substr(old.identity, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('effects.identity:' || old.key, 'effects.result:' || old.key);
end;

create trigger events_hold_blobs after insert on events when substr(new.data, 1, 2) = x'0040'
begin
    insert into blob_references select 'events.data:' || new.seq, cast(substr(new.data, 3, iif(substr(new.data, 3, 1) = x'5b', instr(new.data, x'5d') - 2, 84)) as text) where substr(new.data, 1, 2) = x'0040';
end;
create trigger events_change_blobs after update of data on events
when substr(old.data, 1, 2) = x'0040' or substr(new.data, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'events.data:' || old.seq and new.data is not old.data;
    insert into blob_references select 'events.data:' || new.seq, cast(substr(new.data, 3, iif(substr(new.data, 3, 1) = x'5b', instr(new.data, x'5d') - 2, 84)) as text) where substr(new.data, 1, 2) = x'0040' and new.data is not old.data;
end;
create trigger events_release_blobs after delete on events when substr(old.data, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('events.data:' || old.seq);
end;

create trigger inbox_hold_blobs after insert on inbox when substr(new.payload, 1, 2) = x'0040'
begin
    insert into blob_references select 'inbox.payload:' || new.seq, cast(substr(new.payload, 3, iif(substr(new.payload, 3, 1) = x'5b', instr(new.payload, x'5d') - 2, 84)) as text) where substr(new.payload, 1, 2) = x'0040';
end;
create trigger inbox_change_blobs after update of payload on inbox
when substr(old.payload, 1, 2) = x'0040' or substr(new.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'inbox.payload:' || old.seq and new.payload is not old.payload;
    insert into blob_references select 'inbox.payload:' || new.seq, cast(substr(new.payload, 3, iif(substr(new.payload, 3, 1) = x'5b', instr(new.payload, x'5d') - 2, 84)) as text) where substr(new.payload, 1, 2) = x'0040' and new.payload is not old.payload;
end;
create trigger inbox_release_blobs after delete on inbox when substr(old.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('inbox.payload:' || old.seq);
end;

create trigger rejected_facts_hold_blobs after insert on rejected_facts when substr(new.payload, 1, 2) = x'0040'
begin
    insert into blob_references select 'rejected_facts.payload:' || new.seq, cast(substr(new.payload, 3, iif(substr(new.payload, 3, 1) = x'5b', instr(new.payload, x'5d') - 2, 84)) as text) where substr(new.payload, 1, 2) = x'0040';
end;
create trigger rejected_facts_change_blobs after update of payload on rejected_facts
when substr(old.payload, 1, 2) = x'0040' or substr(new.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'rejected_facts.payload:' || old.seq and new.payload is not old.payload;
    insert into blob_references select 'rejected_facts.payload:' || new.seq, cast(substr(new.payload, 3, iif(substr(new.payload, 3, 1) = x'5b', instr(new.payload, x'5d') - 2, 84)) as text) where substr(new.payload, 1, 2) = x'0040' and new.payload is not old.payload;
end;
create trigger rejected_facts_release_blobs after delete on rejected_facts when substr(old.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('rejected_facts.payload:' || old.seq);
end;

create trigger run_queries_hold_blobs after insert on run_queries when substr(new.input, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    insert into blob_references select 'run_queries.input:' || new.id, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040';
    insert into blob_references select 'run_queries.result:' || new.id, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040';
end;
create trigger run_queries_change_blobs after update of input, result on run_queries
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'run_queries.input:' || old.id and new.input is not old.input;
    insert into blob_references select 'run_queries.input:' || new.id, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040' and new.input is not old.input;
    delete from blob_references where holder = 'run_queries.result:' || old.id and new.result is not old.result;
    insert into blob_references select 'run_queries.result:' || new.id, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040' and new.result is not old.result;
end;
create trigger run_queries_release_blobs after delete on run_queries when substr(old.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('run_queries.input:' || old.id, 'run_queries.result:' || old.id);
end;

create trigger run_updates_hold_blobs after insert on run_updates when substr(new.result, 1, 2) = x'0040'
begin
    insert into blob_references select 'run_updates.result:' || new.id, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040';
end;
create trigger run_updates_change_blobs after update of result on run_updates
when substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'run_updates.result:' || old.id and new.result is not old.result;
    insert into blob_references select 'run_updates.result:' || new.id, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040' and new.result is not old.result;
end;
create trigger run_updates_release_blobs after delete on run_updates when substr(old.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('run_updates.result:' || old.id);
end;

create trigger waits_hold_blobs after insert on waits when substr(new.question, 1, 2) = x'0040'
begin
    insert into blob_references select 'waits.question:' || new.run || '/' || new.ident, cast(substr(new.question, 3, iif(substr(new.question, 3, 1) = x'5b', instr(new.question, x'5d') - 2, 84)) as text) where substr(new.question, 1, 2) = x'0040';
end;
create trigger waits_change_blobs after update of question on waits
when substr(old.question, 1, 2) = x'0040' or substr(new.question, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'waits.question:' || old.run || '/' || old.ident and new.question is not old.question;
    insert into blob_references select 'waits.question:' || new.run || '/' || new.ident, cast(substr(new.question, 3, iif(substr(new.question, 3, 1) = x'5b', instr(new.question, x'5d') - 2, 84)) as text) where substr(new.question, 1, 2) = x'0040' and new.question is not old.question;
end;
create trigger waits_release_blobs after delete on waits when substr(old.question, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('waits.question:' || old.run || '/' || old.ident);
end;

create trigger attempts_hold_blobs after insert on attempts when substr(new.input, 1, 2) = x'0040'
begin
    insert into blob_references select 'attempts.input:' || new.run || '/' || new.ident || '/' || new.generation || '/' || new.attempt, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040';
end;
create trigger attempts_change_blobs after update of input on attempts
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'attempts.input:' || old.run || '/' || old.ident || '/' || old.generation || '/' || old.attempt and new.input is not old.input;
    insert into blob_references select 'attempts.input:' || new.run || '/' || new.ident || '/' || new.generation || '/' || new.attempt, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040' and new.input is not old.input;
end;
create trigger attempts_release_blobs after delete on attempts when substr(old.input, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('attempts.input:' || old.run || '/' || old.ident || '/' || old.generation || '/' || old.attempt);
end;

create trigger checkpoints_hold_blobs after insert on checkpoints when substr(new.value, 1, 2) = x'0040'
begin
    insert into blob_references select 'checkpoints.value:' || new.run || '/' || new.ident, cast(substr(new.value, 3, iif(substr(new.value, 3, 1) = x'5b', instr(new.value, x'5d') - 2, 84)) as text) where substr(new.value, 1, 2) = x'0040';
end;
create trigger checkpoints_change_blobs after update of value on checkpoints
when substr(old.value, 1, 2) = x'0040' or substr(new.value, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'checkpoints.value:' || old.run || '/' || old.ident and new.value is not old.value;
    insert into blob_references select 'checkpoints.value:' || new.run || '/' || new.ident, cast(substr(new.value, 3, iif(substr(new.value, 3, 1) = x'5b', instr(new.value, x'5d') - 2, 84)) as text) where substr(new.value, 1, 2) = x'0040' and new.value is not old.value;
end;
create trigger checkpoints_release_blobs after delete on checkpoints when substr(old.value, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('checkpoints.value:' || old.run || '/' || old.ident);
end;

create trigger journal_hold_blobs after insert on journal when substr(new.input, 1, 2) = x'0040' or substr(new.output, 1, 2) = x'0040'
begin
    insert into blob_references select 'journal.input:' || new.run || '/' || new.rank, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040';
    insert into blob_references select 'journal.output:' || new.run || '/' || new.rank, cast(substr(new.output, 3, iif(substr(new.output, 3, 1) = x'5b', instr(new.output, x'5d') - 2, 84)) as text) where substr(new.output, 1, 2) = x'0040';
end;
create trigger journal_change_blobs after update of input, output on journal
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040' or substr(old.output, 1, 2) = x'0040' or substr(new.output, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'journal.input:' || old.run || '/' || old.rank and new.input is not old.input;
    insert into blob_references select 'journal.input:' || new.run || '/' || new.rank, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040' and new.input is not old.input;
    delete from blob_references where holder = 'journal.output:' || old.run || '/' || old.rank and new.output is not old.output;
    insert into blob_references select 'journal.output:' || new.run || '/' || new.rank, cast(substr(new.output, 3, iif(substr(new.output, 3, 1) = x'5b', instr(new.output, x'5d') - 2, 84)) as text) where substr(new.output, 1, 2) = x'0040' and new.output is not old.output;
end;
create trigger journal_release_blobs after delete on journal when substr(old.input, 1, 2) = x'0040' or substr(old.output, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('journal.input:' || old.run || '/' || old.rank, 'journal.output:' || old.run || '/' || old.rank);
end;

create trigger runs_hold_blobs after insert on runs when substr(new.input, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040' or substr(new.published, 1, 2) = x'0040' or substr(new.tags, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    insert into blob_references select 'runs.input:' || new.id, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040';
    insert into blob_references select 'runs.result:' || new.id, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040';
    insert into blob_references select 'runs.published:' || new.id, cast(substr(new.published, 3, iif(substr(new.published, 3, 1) = x'5b', instr(new.published, x'5d') - 2, 84)) as text) where substr(new.published, 1, 2) = x'0040';
    insert into blob_references select 'runs.tags:' || new.id, cast(substr(new.tags, 3, iif(substr(new.tags, 3, 1) = x'5b', instr(new.tags, x'5d') - 2, 84)) as text) where substr(new.tags, 1, 2) = x'0040';
    insert into blob_references select 'runs.headers:' || new.id, cast(substr(new.headers, 3, iif(substr(new.headers, 3, 1) = x'5b', instr(new.headers, x'5d') - 2, 84)) as text) where substr(new.headers, 1, 2) = x'0040';
end;
create trigger runs_change_blobs after update of input, result, published, tags, headers on runs
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040' or substr(old.published, 1, 2) = x'0040' or substr(new.published, 1, 2) = x'0040' or substr(old.tags, 1, 2) = x'0040' or substr(new.tags, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'runs.input:' || old.id and new.input is not old.input;
    insert into blob_references select 'runs.input:' || new.id, cast(substr(new.input, 3, iif(substr(new.input, 3, 1) = x'5b', instr(new.input, x'5d') - 2, 84)) as text) where substr(new.input, 1, 2) = x'0040' and new.input is not old.input;
    delete from blob_references where holder = 'runs.result:' || old.id and new.result is not old.result;
    insert into blob_references select 'runs.result:' || new.id, cast(substr(new.result, 3, iif(substr(new.result, 3, 1) = x'5b', instr(new.result, x'5d') - 2, 84)) as text) where substr(new.result, 1, 2) = x'0040' and new.result is not old.result;
    delete from blob_references where holder = 'runs.published:' || old.id and new.published is not old.published;
    insert into blob_references select 'runs.published:' || new.id, cast(substr(new.published, 3, iif(substr(new.published, 3, 1) = x'5b', instr(new.published, x'5d') - 2, 84)) as text) where substr(new.published, 1, 2) = x'0040' and new.published is not old.published;
    delete from blob_references where holder = 'runs.tags:' || old.id and new.tags is not old.tags;
    insert into blob_references select 'runs.tags:' || new.id, cast(substr(new.tags, 3, iif(substr(new.tags, 3, 1) = x'5b', instr(new.tags, x'5d') - 2, 84)) as text) where substr(new.tags, 1, 2) = x'0040' and new.tags is not old.tags;
    delete from blob_references where holder = 'runs.headers:' || old.id and new.headers is not old.headers;
    insert into blob_references select 'runs.headers:' || new.id, cast(substr(new.headers, 3, iif(substr(new.headers, 3, 1) = x'5b', instr(new.headers, x'5d') - 2, 84)) as text) where substr(new.headers, 1, 2) = x'0040' and new.headers is not old.headers;
end;
create trigger runs_release_blobs after delete on runs when substr(old.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(old.published, 1, 2) = x'0040' or substr(old.tags, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('runs.input:' || old.id, 'runs.result:' || old.id, 'runs.published:' || old.id, 'runs.tags:' || old.id, 'runs.headers:' || old.id);
end;

create trigger deliveries_hold_blobs after insert on deliveries when substr(new.body, 1, 2) = x'0040' or substr(new.data, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    insert into blob_references select 'deliveries.body:' || new.id, cast(substr(new.body, 3, iif(substr(new.body, 3, 1) = x'5b', instr(new.body, x'5d') - 2, 84)) as text) where substr(new.body, 1, 2) = x'0040';
    insert into blob_references select 'deliveries.data:' || new.id, cast(substr(new.data, 3, iif(substr(new.data, 3, 1) = x'5b', instr(new.data, x'5d') - 2, 84)) as text) where substr(new.data, 1, 2) = x'0040';
    insert into blob_references select 'deliveries.headers:' || new.id, cast(substr(new.headers, 3, iif(substr(new.headers, 3, 1) = x'5b', instr(new.headers, x'5d') - 2, 84)) as text) where substr(new.headers, 1, 2) = x'0040';
end;
create trigger deliveries_change_blobs after update of body, data, headers on deliveries
when substr(old.body, 1, 2) = x'0040' or substr(new.body, 1, 2) = x'0040' or substr(old.data, 1, 2) = x'0040' or substr(new.data, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'deliveries.body:' || old.id and new.body is not old.body;
    insert into blob_references select 'deliveries.body:' || new.id, cast(substr(new.body, 3, iif(substr(new.body, 3, 1) = x'5b', instr(new.body, x'5d') - 2, 84)) as text) where substr(new.body, 1, 2) = x'0040' and new.body is not old.body;
    delete from blob_references where holder = 'deliveries.data:' || old.id and new.data is not old.data;
    insert into blob_references select 'deliveries.data:' || new.id, cast(substr(new.data, 3, iif(substr(new.data, 3, 1) = x'5b', instr(new.data, x'5d') - 2, 84)) as text) where substr(new.data, 1, 2) = x'0040' and new.data is not old.data;
    delete from blob_references where holder = 'deliveries.headers:' || old.id and new.headers is not old.headers;
    insert into blob_references select 'deliveries.headers:' || new.id, cast(substr(new.headers, 3, iif(substr(new.headers, 3, 1) = x'5b', instr(new.headers, x'5d') - 2, 84)) as text) where substr(new.headers, 1, 2) = x'0040' and new.headers is not old.headers;
end;
create trigger deliveries_release_blobs after delete on deliveries when substr(old.body, 1, 2) = x'0040' or substr(old.data, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('deliveries.body:' || old.id, 'deliveries.data:' || old.id, 'deliveries.headers:' || old.id);
end;

create trigger outbox_hold_blobs after insert on outbox when substr(new.body, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    insert into blob_references select 'outbox.body:' || new.id, cast(substr(new.body, 3, iif(substr(new.body, 3, 1) = x'5b', instr(new.body, x'5d') - 2, 84)) as text) where substr(new.body, 1, 2) = x'0040';
    insert into blob_references select 'outbox.headers:' || new.id, cast(substr(new.headers, 3, iif(substr(new.headers, 3, 1) = x'5b', instr(new.headers, x'5d') - 2, 84)) as text) where substr(new.headers, 1, 2) = x'0040';
end;
create trigger outbox_change_blobs after update of body, headers on outbox
when substr(old.body, 1, 2) = x'0040' or substr(new.body, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'outbox.body:' || old.id and new.body is not old.body;
    insert into blob_references select 'outbox.body:' || new.id, cast(substr(new.body, 3, iif(substr(new.body, 3, 1) = x'5b', instr(new.body, x'5d') - 2, 84)) as text) where substr(new.body, 1, 2) = x'0040' and new.body is not old.body;
    delete from blob_references where holder = 'outbox.headers:' || old.id and new.headers is not old.headers;
    insert into blob_references select 'outbox.headers:' || new.id, cast(substr(new.headers, 3, iif(substr(new.headers, 3, 1) = x'5b', instr(new.headers, x'5d') - 2, 84)) as text) where substr(new.headers, 1, 2) = x'0040' and new.headers is not old.headers;
end;
create trigger outbox_release_blobs after delete on outbox when substr(old.body, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('outbox.body:' || old.id, 'outbox.headers:' || old.id);
end;
