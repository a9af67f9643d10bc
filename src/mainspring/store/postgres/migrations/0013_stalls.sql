-- Attempts that gave no sign of life for too long; a row goes with the next sign, with the attempt's end, and with the session at the latest.
create table stalls (
    run      text collate "C" not null,
    ident    text collate "C" not null,            -- of the step
    claim    bigint not null,                      -- under which it runs: of another one nothing here counts
    name     text collate "C" not null,
    attempt  bigint not null,
    since_at bigint not null,                      -- its last sign of life, or its start
    stack    bytea not null,                       -- JSON: where it stands, as lines without secrets, outermost first
    session  bigint not null,
    primary key (run, ident)
);
