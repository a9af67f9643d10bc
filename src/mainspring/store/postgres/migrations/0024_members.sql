-- Members of an incident: each row of `faults` is one. It is written in the commit that ends the run, and it is open until something settles it
-- (domain.member.Settlement). A run says at its start when it counts as healthy again (domain.member.HealthRule), and what it is about.
alter table runs add column healthy text collate "C" not null default 'item';  -- domain.member.HealthRule
alter table runs add column item text collate "C";                  -- what it is about; null = itself, '' = its automation as a whole
alter table faults add column healthy text collate "C" not null default 'item';
alter table faults add column item text collate "C" not null default '';
alter table faults add column incident text collate "C";            -- null = no watcher has told of it yet
alter table faults add column opened bigint;           -- which opening of the incident it belongs to
alter table faults add column settled_at bigint;       -- null = it is open
alter table faults add column settled_how text collate "C";         -- domain.member.Settlement
alter table faults add column settled_by text collate "C";          -- the run that succeeded, or the person

-- What failed before members were kept counts as settled. What still needs a person, or was told to no one yet, stays open.
update faults set item = run;
update faults set settled_at = at, settled_how = 'before'
where exists (select 1 from faults as later where later.run = faults.run and later.seq > faults.seq)
   or not exists (
       select 1 from runs where runs.id = faults.run
       and (runs.state = 'needs_attention' or (runs.state = 'failed' and faults.fingerprint is null))
   );
update faults set incident = i.id, opened = case when faults.settled_at is null and i.state <> 'resolved' then i.opened else 0 end
from incidents as i
where i.automation = faults.automation and i.fingerprint = faults.fingerprint
  and i.kind = case when faults.state = 'needs_attention' then 'needs_attention'
                    when faults.reason = 'retries_exhausted' then 'retries_exhausted' else 'permanent_error' end;
insert into meta (key, value)
select 'failed_before_members', cast(number as text)
from (select count(*) as number from runs where state = 'failed' and coalesce(reason, '') <> 'discarded'
      and exists (select 1 from faults where faults.run = runs.id and faults.settled_how = 'before')) as settled
where number > 0;
update runs set healthy = 'automation', item = '' where finished_at is null and (slot_at is not null or kind = 'exec');

create index faults_open on faults (automation, healthy, item) where settled_at is null;
create index faults_open_of_error on faults (automation, fingerprint, seq) where settled_at is null and fingerprint is not null;
create index faults_of_incident on faults (incident, opened, settled_how) where incident is not null;

create or replace function runs_have_faults() returns trigger language plpgsql set search_path from current as $$
begin
    if new.parent is not null and new.state = 'failed' and new.superseded is null
       and not exists (select 1 from runs where runs.id = new.parent and runs.finished_at is not null) then
        return null;
    end if;
    update faults set settled_at = new.changed_at, settled_how = 'failed_again', settled_by = new.id
    where run = new.id and settled_at is null;
    insert into faults (run, automation, state, reason, ident, failure, at, healthy, item)
    values (new.id, new.automation, new.state, new.reason, new.failed_ident, new.failure, new.changed_at, new.healthy,
            coalesce(new.item, new.id));
    return null;
end $$;
drop trigger runs_have_faults on runs;
create trigger runs_have_faults after update of state on runs for each row
when (new.state in ('failed', 'needs_attention') and new.state <> old.state and coalesce(new.reason, '') <> 'discarded'
      and (new.parent is null or new.state = 'needs_attention' or new.close_policy = 'keep'))
execute function runs_have_faults();
