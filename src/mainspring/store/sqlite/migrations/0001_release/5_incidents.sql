-- Failures, the incidents that they belong to, and the alerts that are sent about them.

-- Ends of runs that need attention, added by the trigger runs_have_faults in the commit that ends the run. Each row is a member of an incident
-- (docs/adr/0018-members-of-an-incident.md); it is open until something settles it.
create table failures (
    seq         integer primary key autoincrement,
    run         text not null,
    automation  text not null,
    state       text not null,                      -- states.RunState: failed | needs_attention
    reason      text,                               -- states.FailureReason
    ident       text,                               -- the step that failed
    failure     blob,                               -- domain.failures.failure.Failure as JSON, until it is grouped
    at          integer not null,
    fingerprint text,                               -- of its error group; null = not grouped yet
    healthy     text not null default 'item',       -- as in runs
    item        text not null default '',           -- as in runs
    incident    text,                               -- null = no watcher has reported it yet
    opened      integer,                            -- the opening of the incident that it belongs to
    settled_at  integer,                            -- null = it is open
    settlement  text,                               -- domain.incidents.incident_members.Settlement
    settled_by  text                                -- the run that succeeded, or the person
) strict;
create index failures_ungrouped on failures (seq) where fingerprint is null;
create index failures_grouped on failures (automation, fingerprint, seq) where fingerprint is not null;
create index failures_run on failures (run);
create index failures_open on failures (automation, healthy, item) where settled_at is null;
create index failures_open_of_error on failures (automation, fingerprint, seq) where settled_at is null and fingerprint is not null;
create index failures_of_incident on failures (incident, opened, settlement) where incident is not null;

-- Failures with the same cause.
create table error_groups (
    automation  text not null,
    fingerprint text not null,
    type        text not null,
    code        text not null,
    place       text not null,
    message     text not null,                      -- of the newest, redacted
    first_at    integer not null,
    last_at     integer not null,
    number      integer not null,
    first_run   text not null,
    last_run    text not null,
    primary key (automation, fingerprint)
) strict, without rowid;

-- Incidents: one row for each problem. It is reopened when the same problem returns.
create table incidents (
    seq           integer primary key autoincrement,
    id            text not null unique,
    automation    text not null,                    -- '' = Mainspring itself
    kind          text not null,                    -- domain.incidents.incident.IncidentKind
    fingerprint   text not null,
    state         text not null,                    -- states.IncidentState
    severity      text not null,
    text          text not null,
    hint          text,
    facts         blob not null,                    -- JSON object: the figures that it was evaluated by
    since_at      integer not null,
    opened_at     integer not null,
    changed_at    integer not null,
    seen_at       integer not null,
    resolved_at   integer,
    snoozed_until integer,
    opened        integer not null,                 -- number of openings
    number        integer not null,                 -- failures since it was opened
    by            text,
    note          text,
    parent        text                              -- the incident that it is grouped under
) strict;
create unique index incidents_subject on incidents (automation, kind, fingerprint);
create index incidents_unresolved on incidents (seq) where state <> 'resolved';
create index incidents_changed on incidents (changed_at);
create index incidents_short on incidents (substr(id, 23));

-- The history of each incident.
create table incident_moves (
    seq      integer primary key autoincrement,
    incident text not null,
    move     text not null,                         -- states.IncidentMove
    at       integer not null,
    by       text,                                  -- null = a watcher
    note     text
) strict;
create index incident_moves_of on incident_moves (incident, seq);
create index incident_moves_at on incident_moves (at);

-- Notifications: one event of an incident for one channel.
create table alerts (
    seq      integer primary key autoincrement,     -- the order within a channel
    key      text not null unique,                  -- of incident, opening, subject and channel: it is sent once
    incident text not null,
    opened   integer not null,
    about    text not null,                         -- domain.notifications.notification.NotificationEvent
    channel  text not null,
    severity text not null,
    state    text not null,                         -- states.AlertState
    made_at  integer not null,
    due_at   integer not null,
    tried    integer not null default 0,            -- 1 = a notifier leased it and has not reported the outcome
    ended_at integer,
    fault    text                                   -- why the channel rejected it
) strict;
create index alerts_unsent on alerts (channel, due_at, seq) where state = 'unsent';
create index alerts_of on alerts (incident, opened, channel);
create index alerts_ended on alerts (ended_at) where ended_at is not null;

-- Channels that are leased by a notifier, or could not be sent to.
create table channels (
    name     text primary key,
    lease    text,                                  -- id of the lease; null = free
    session  integer,
    until_at integer not null,                      -- when the lease expires
    due_at   integer not null,                      -- not tried before then
    failures integer not null,                      -- failed tries in a row
    since_at integer,
    fault    text,
    accepted_at integer                             -- when it last accepted an alert
) strict, without rowid;

-- How a channel finds the message that it sent about an incident, to change it or to answer in its thread.
create table channel_refs (
    incident text not null,
    opened   integer not null,
    channel  text not null,
    ref      text not null,
    primary key (incident, opened, channel)
) strict, without rowid;

-- Conditions that runs depend on besides their input (definition, configuration, versions): one row for each change.
create table run_conditions (
    kind    text not null,                          -- domain.runs.run_conditions.ConditionKind
    subject text not null,                          -- "automation:NAME" or "host:NAME"
    at      integer not null,
    was     text,                                   -- JSON object; null = not known before, which is not a change
    value   text not null,                          -- JSON object of short texts, without secrets
    primary key (kind, subject, at)
) strict, without rowid;
create index run_conditions_at on run_conditions (at) where was is not null;

-- The failure of a child is reported by its parent, unless the child needs attention itself or its parent no longer waits for it.
create trigger runs_have_faults after update of state on runs
when new.state in ('failed', 'needs_attention') and new.state <> old.state and coalesce(new.reason, '') <> 'discarded'
     and (new.parent is null or new.state = 'needs_attention' or (new.close_policy = 'keep' and (
          new.superseded is not null
          or exists (select 1 from runs as parent where parent.id = new.parent and parent.finished_at is not null))))
begin
    update failures set settled_at = new.changed_at, settlement = 'failed_again', settled_by = new.id
    where run = new.id and settled_at is null;
    insert into failures (run, automation, state, reason, ident, failure, at, healthy, item)
    values (new.id, new.automation, new.state, new.reason, new.failed_ident, new.failure, new.changed_at, new.healthy,
            coalesce(new.item, new.id));
end;
