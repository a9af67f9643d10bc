-- Each end of a run that somebody may have to hear of, written in the commit of that end by whichever way it came. A watcher groups them: then
-- they have a fingerprint, and what they failed by stands in error_groups. A child's failure is its parent's to tell.
create table faults (
    seq         integer primary key autoincrement,
    run         text not null,
    automation  text not null,
    state       text not null,                     -- states.RunState: failed | needs_attention
    reason      text,                              -- states.FailureReason
    ident       text,                              -- of the step that failed
    failure     blob,                              -- domain.failure.Failure as JSON, until it is grouped
    at          integer not null,
    fingerprint text                               -- null = no watcher has told of it
) strict;
create index faults_untold on faults (seq) where fingerprint is null;
create index faults_grouped on faults (automation, fingerprint, seq) where fingerprint is not null;
create index faults_run on faults (run);
create trigger runs_have_faults after update of state on runs
when new.state in ('failed', 'needs_attention') and new.state <> old.state and coalesce(new.reason, '') <> 'discarded'
     and (new.parent is null or new.state = 'needs_attention')
begin
    insert into faults (run, automation, state, reason, ident, failure, at)
    values (new.id, new.automation, new.state, new.reason, new.failed_ident, new.failure, new.changed_at);
end;

create table error_groups (                        -- failures of one cause
    automation  text not null,
    fingerprint text not null,
    type        text not null,
    code        text not null,
    place       text not null,
    message     text not null,                     -- of the newest, redacted
    first_at    integer not null,
    last_at     integer not null,
    number      integer not null,
    first_run   text not null,
    last_run    text not null,
    primary key (automation, fingerprint)
) strict, without rowid;

create table incidents (
    seq           integer primary key autoincrement,
    id            text not null unique,
    automation    text not null,                   -- '' = Mainspring itself
    kind          text not null,                   -- domain.incident.IncidentKind
    fingerprint   text not null,
    state         text not null,                   -- states.IncidentState
    severity      text not null,
    text          text not null,
    hint          text,
    facts         blob not null,                   -- JSON object: what it was judged by
    since_at      integer not null,
    opened_at     integer not null,
    changed_at    integer not null,
    seen_at       integer not null,
    resolved_at   integer,
    snoozed_until integer,
    opened        integer not null,                -- how many times
    number        integer not null,                -- failures since it was opened
    by            text,
    note          text,
    parent        text                             -- the storm it is folded into
) strict;
create unique index incidents_subject on incidents (automation, kind, fingerprint);
create index incidents_wrong on incidents (seq) where state <> 'resolved';
create index incidents_changed on incidents (changed_at);

create table incident_moves (                      -- what became of each, and by whom
    seq      integer primary key autoincrement,
    incident text not null,
    move     text not null,                        -- states.IncidentMove
    at       integer not null,
    by       text,                                 -- null = a watcher found it so
    note     text
) strict;
create index incident_moves_of on incident_moves (incident, seq);
create index incident_moves_at on incident_moves (at);

create table alerts (                              -- one thing to be told to one channel about an incident
    seq      integer primary key autoincrement,    -- the order within a channel
    key      text not null unique,                 -- incident, opening, what, channel: it is told once
    incident text not null,
    opened   integer not null,
    about    text not null,                        -- domain.notice.About
    channel  text not null,
    severity text not null,
    state    text not null,                        -- states.AlertState
    made_at  integer not null,
    due_at   integer not null,
    tried    integer not null default 0,          -- 1 = a Notifier took it and has not said what became of it
    ended_at integer,
    fault    text                                  -- why it was refused
) strict;
create index alerts_unsent on alerts (channel, due_at, seq) where state = 'unsent';
create index alerts_of on alerts (incident, opened, channel);
create index alerts_ended on alerts (ended_at) where ended_at is not null;

create table channels (                            -- channels that a Notifier has, or that could not be told
    name     text primary key,
    lease    text,                                 -- id of the take that has it; null = nobody
    session  integer,
    until_at integer not null,                     -- when the lease ends by itself
    due_at   integer not null,                     -- left alone until then
    failures integer not null,                     -- how often in a row nothing could be told
    since_at integer,
    fault    text,
    told_at  integer                               -- when it last took something
) strict, without rowid;

create table channel_refs (                        -- by what a channel finds again what it showed of an incident
    incident text not null,
    opened   integer not null,
    channel  text not null,
    ref      text not null,
    primary key (incident, opened, channel)
) strict, without rowid;
