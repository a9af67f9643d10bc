-- What runs happen under besides their input, each time that it was another than before: what changed before a failure may be why.
create table circumstances (
    kind    text collate "C" not null,             -- domain.circumstance.CircumstanceKind
    subject text collate "C" not null,             -- "automation:NAME" or "host:NAME"
    at      bigint not null,
    was     text,                                  -- JSON object; null = not known before, which is no change
    value   text not null,                         -- JSON object of short texts, no secrets
    primary key (kind, subject, at)
);
create index circumstances_at on circumstances (at) where was is not null;
