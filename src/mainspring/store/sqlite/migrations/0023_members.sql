-- Members of an incident: each row of `faults` is one. It is written in the commit that ends the run, and it is open until something settles it
-- (domain.member.Settlement). A run says at its start when it counts as healthy again (domain.member.HealthRule), and what it is about.
alter table runs add column healthy text not null default 'item';  -- domain.member.HealthRule
alter table runs add column item text;                  -- what it is about; null = itself, '' = its automation as a whole
alter table faults add column healthy text not null default 'item';
alter table faults add column item text not null default '';
alter table faults add column incident text;            -- null = no watcher has told of it yet
alter table faults add column opened integer;           -- which opening of the incident it belongs to
alter table faults add column settled_at integer;       -- null = it is open
alter table faults add column settled_how text;         -- domain.member.Settlement
alter table faults add column settled_by text;          -- the run that succeeded, or the person

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

drop trigger runs_have_faults;
create trigger runs_have_faults after update of state on runs
when new.state in ('failed', 'needs_attention') and new.state <> old.state and coalesce(new.reason, '') <> 'discarded'
     and (new.parent is null or new.state = 'needs_attention' or (new.close_policy = 'keep' and (
          new.superseded is not null
          or exists (select 1 from runs as parent where parent.id = new.parent and parent.finished_at is not null))))
begin
    update faults set settled_at = new.changed_at, settled_how = 'failed_again', settled_by = new.id
    where run = new.id and settled_at is null;
    insert into faults (run, automation, state, reason, ident, failure, at, healthy, item)
    values (new.id, new.automation, new.state, new.reason, new.failed_ident, new.failure, new.changed_at, new.healthy,
            coalesce(new.item, new.id));
end;
