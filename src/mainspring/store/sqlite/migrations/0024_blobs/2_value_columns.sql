create trigger effects_hold_blobs after insert on effects when substr(new.identity, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    insert into blob_references select 'effects.identity:' || new.key, cast(substr(new.identity, 3, 84) as text) where substr(new.identity, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'effects.result:' || new.key, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger effects_change_blobs after update of identity, result on effects
when substr(old.identity, 1, 2) = x'0040' or substr(new.identity, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'effects.identity:' || old.key and coalesce(substr(new.identity, 1, 2), x'') <> x'0040';
    insert into blob_references select 'effects.identity:' || new.key, cast(substr(new.identity, 3, 84) as text) where substr(new.identity, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'effects.result:' || old.key and coalesce(substr(new.result, 1, 2), x'') <> x'0040';
    insert into blob_references select 'effects.result:' || new.key, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger effects_release_blobs after delete on effects when substr(old.identity, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('effects.identity:' || old.key, 'effects.result:' || old.key);
end;

create trigger events_hold_blobs after insert on events when substr(new.data, 1, 2) = x'0040'
begin
    insert into blob_references select 'events.data:' || new.seq, cast(substr(new.data, 3, 84) as text) where substr(new.data, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger events_change_blobs after update of data on events
when substr(old.data, 1, 2) = x'0040' or substr(new.data, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'events.data:' || old.seq and coalesce(substr(new.data, 1, 2), x'') <> x'0040';
    insert into blob_references select 'events.data:' || new.seq, cast(substr(new.data, 3, 84) as text) where substr(new.data, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger events_release_blobs after delete on events when substr(old.data, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('events.data:' || old.seq);
end;

create trigger inbox_hold_blobs after insert on inbox when substr(new.payload, 1, 2) = x'0040'
begin
    insert into blob_references select 'inbox.payload:' || new.seq, cast(substr(new.payload, 3, 84) as text) where substr(new.payload, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger inbox_change_blobs after update of payload on inbox
when substr(old.payload, 1, 2) = x'0040' or substr(new.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'inbox.payload:' || old.seq and coalesce(substr(new.payload, 1, 2), x'') <> x'0040';
    insert into blob_references select 'inbox.payload:' || new.seq, cast(substr(new.payload, 3, 84) as text) where substr(new.payload, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger inbox_release_blobs after delete on inbox when substr(old.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('inbox.payload:' || old.seq);
end;

create trigger rejected_facts_hold_blobs after insert on rejected_facts when substr(new.payload, 1, 2) = x'0040'
begin
    insert into blob_references select 'rejected_facts.payload:' || new.seq, cast(substr(new.payload, 3, 84) as text) where substr(new.payload, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger rejected_facts_change_blobs after update of payload on rejected_facts
when substr(old.payload, 1, 2) = x'0040' or substr(new.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'rejected_facts.payload:' || old.seq and coalesce(substr(new.payload, 1, 2), x'') <> x'0040';
    insert into blob_references select 'rejected_facts.payload:' || new.seq, cast(substr(new.payload, 3, 84) as text) where substr(new.payload, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger rejected_facts_release_blobs after delete on rejected_facts when substr(old.payload, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('rejected_facts.payload:' || old.seq);
end;

create trigger run_queries_hold_blobs after insert on run_queries when substr(new.input, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    insert into blob_references select 'run_queries.input:' || new.id, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'run_queries.result:' || new.id, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger run_queries_change_blobs after update of input, result on run_queries
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'run_queries.input:' || old.id and coalesce(substr(new.input, 1, 2), x'') <> x'0040';
    insert into blob_references select 'run_queries.input:' || new.id, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'run_queries.result:' || old.id and coalesce(substr(new.result, 1, 2), x'') <> x'0040';
    insert into blob_references select 'run_queries.result:' || new.id, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger run_queries_release_blobs after delete on run_queries when substr(old.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('run_queries.input:' || old.id, 'run_queries.result:' || old.id);
end;

create trigger run_updates_hold_blobs after insert on run_updates when substr(new.result, 1, 2) = x'0040'
begin
    insert into blob_references select 'run_updates.result:' || new.id, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger run_updates_change_blobs after update of result on run_updates
when substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'run_updates.result:' || old.id and coalesce(substr(new.result, 1, 2), x'') <> x'0040';
    insert into blob_references select 'run_updates.result:' || new.id, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger run_updates_release_blobs after delete on run_updates when substr(old.result, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('run_updates.result:' || old.id);
end;

create trigger waits_hold_blobs after insert on waits when substr(new.question, 1, 2) = x'0040'
begin
    insert into blob_references select 'waits.question:' || new.run || '/' || new.ident, cast(substr(new.question, 3, 84) as text) where substr(new.question, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger waits_change_blobs after update of question on waits
when substr(old.question, 1, 2) = x'0040' or substr(new.question, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'waits.question:' || old.run || '/' || old.ident and coalesce(substr(new.question, 1, 2), x'') <> x'0040';
    insert into blob_references select 'waits.question:' || new.run || '/' || new.ident, cast(substr(new.question, 3, 84) as text) where substr(new.question, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger waits_release_blobs after delete on waits when substr(old.question, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('waits.question:' || old.run || '/' || old.ident);
end;

create trigger attempts_hold_blobs after insert on attempts when substr(new.input, 1, 2) = x'0040'
begin
    insert into blob_references select 'attempts.input:' || new.run || '/' || new.ident || '/' || new.generation || '/' || new.attempt, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger attempts_change_blobs after update of input on attempts
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'attempts.input:' || old.run || '/' || old.ident || '/' || old.generation || '/' || old.attempt and coalesce(substr(new.input, 1, 2), x'') <> x'0040';
    insert into blob_references select 'attempts.input:' || new.run || '/' || new.ident || '/' || new.generation || '/' || new.attempt, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger attempts_release_blobs after delete on attempts when substr(old.input, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('attempts.input:' || old.run || '/' || old.ident || '/' || old.generation || '/' || old.attempt);
end;

create trigger checkpoints_hold_blobs after insert on checkpoints when substr(new.value, 1, 2) = x'0040'
begin
    insert into blob_references select 'checkpoints.value:' || new.run || '/' || new.ident, cast(substr(new.value, 3, 84) as text) where substr(new.value, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger checkpoints_change_blobs after update of value on checkpoints
when substr(old.value, 1, 2) = x'0040' or substr(new.value, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'checkpoints.value:' || old.run || '/' || old.ident and coalesce(substr(new.value, 1, 2), x'') <> x'0040';
    insert into blob_references select 'checkpoints.value:' || new.run || '/' || new.ident, cast(substr(new.value, 3, 84) as text) where substr(new.value, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger checkpoints_release_blobs after delete on checkpoints when substr(old.value, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('checkpoints.value:' || old.run || '/' || old.ident);
end;

create trigger journal_hold_blobs after insert on journal when substr(new.input, 1, 2) = x'0040' or substr(new.output, 1, 2) = x'0040'
begin
    insert into blob_references select 'journal.input:' || new.run || '/' || new.rank, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'journal.output:' || new.run || '/' || new.rank, cast(substr(new.output, 3, 84) as text) where substr(new.output, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger journal_change_blobs after update of input, output on journal
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040' or substr(old.output, 1, 2) = x'0040' or substr(new.output, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'journal.input:' || old.run || '/' || old.rank and coalesce(substr(new.input, 1, 2), x'') <> x'0040';
    insert into blob_references select 'journal.input:' || new.run || '/' || new.rank, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'journal.output:' || old.run || '/' || old.rank and coalesce(substr(new.output, 1, 2), x'') <> x'0040';
    insert into blob_references select 'journal.output:' || new.run || '/' || new.rank, cast(substr(new.output, 3, 84) as text) where substr(new.output, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger journal_release_blobs after delete on journal when substr(old.input, 1, 2) = x'0040' or substr(old.output, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('journal.input:' || old.run || '/' || old.rank, 'journal.output:' || old.run || '/' || old.rank);
end;

create trigger runs_hold_blobs after insert on runs when substr(new.input, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040' or substr(new.published, 1, 2) = x'0040' or substr(new.tags, 1, 2) = x'0040'
begin
    insert into blob_references select 'runs.input:' || new.id, cast(substr(new.input, 3, 84) as text) where substr(new.input, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'runs.result:' || new.id, cast(substr(new.result, 3, 84) as text) where substr(new.result, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'runs.published:' || new.id, cast(substr(new.published, 3, 84) as text) where substr(new.published, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'runs.tags:' || new.id, cast(substr(new.tags, 3, 84) as text) where substr(new.tags, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger runs_change_blobs after update of input, result, published, tags on runs
when substr(old.input, 1, 2) = x'0040' or substr(new.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(new.result, 1, 2) = x'0040' or substr(old.published, 1, 2) = x'0040' or substr(new.published, 1, 2) = x'0040' or substr(old.tags, 1, 2) = x'0040' or substr(new.tags, 1, 2) = x'0040'
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
end;
create trigger runs_release_blobs after delete on runs when substr(old.input, 1, 2) = x'0040' or substr(old.result, 1, 2) = x'0040' or substr(old.published, 1, 2) = x'0040' or substr(old.tags, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('runs.input:' || old.id, 'runs.result:' || old.id, 'runs.published:' || old.id, 'runs.tags:' || old.id);
end;

create trigger deliveries_hold_blobs after insert on deliveries when substr(new.body, 1, 2) = x'0040' or substr(new.data, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    insert into blob_references select 'deliveries.body:' || new.id, cast(substr(new.body, 3, 84) as text) where substr(new.body, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'deliveries.data:' || new.id, cast(substr(new.data, 3, 84) as text) where substr(new.data, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'deliveries.headers:' || new.id, cast(substr(new.headers, 3, 84) as text) where substr(new.headers, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger deliveries_change_blobs after update of body, data, headers on deliveries
when substr(old.body, 1, 2) = x'0040' or substr(new.body, 1, 2) = x'0040' or substr(old.data, 1, 2) = x'0040' or substr(new.data, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'deliveries.body:' || old.id and coalesce(substr(new.body, 1, 2), x'') <> x'0040';
    insert into blob_references select 'deliveries.body:' || new.id, cast(substr(new.body, 3, 84) as text) where substr(new.body, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'deliveries.data:' || old.id and coalesce(substr(new.data, 1, 2), x'') <> x'0040';
    insert into blob_references select 'deliveries.data:' || new.id, cast(substr(new.data, 3, 84) as text) where substr(new.data, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'deliveries.headers:' || old.id and coalesce(substr(new.headers, 1, 2), x'') <> x'0040';
    insert into blob_references select 'deliveries.headers:' || new.id, cast(substr(new.headers, 3, 84) as text) where substr(new.headers, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger deliveries_release_blobs after delete on deliveries when substr(old.body, 1, 2) = x'0040' or substr(old.data, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('deliveries.body:' || old.id, 'deliveries.data:' || old.id, 'deliveries.headers:' || old.id);
end;

create trigger outbox_hold_blobs after insert on outbox when substr(new.body, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    insert into blob_references select 'outbox.body:' || new.id, cast(substr(new.body, 3, 84) as text) where substr(new.body, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    insert into blob_references select 'outbox.headers:' || new.id, cast(substr(new.headers, 3, 84) as text) where substr(new.headers, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger outbox_change_blobs after update of body, headers on outbox
when substr(old.body, 1, 2) = x'0040' or substr(new.body, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040' or substr(new.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder = 'outbox.body:' || old.id and coalesce(substr(new.body, 1, 2), x'') <> x'0040';
    insert into blob_references select 'outbox.body:' || new.id, cast(substr(new.body, 3, 84) as text) where substr(new.body, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
    delete from blob_references where holder = 'outbox.headers:' || old.id and coalesce(substr(new.headers, 1, 2), x'') <> x'0040';
    insert into blob_references select 'outbox.headers:' || new.id, cast(substr(new.headers, 3, 84) as text) where substr(new.headers, 1, 2) = x'0040'
    on conflict (holder) do update set blob = excluded.blob;
end;
create trigger outbox_release_blobs after delete on outbox when substr(old.body, 1, 2) = x'0040' or substr(old.headers, 1, 2) = x'0040'
begin
    delete from blob_references where holder in ('outbox.body:' || old.id, 'outbox.headers:' || old.id);
end;
