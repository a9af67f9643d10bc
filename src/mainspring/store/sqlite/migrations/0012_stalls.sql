-- Attempts that gave no sign of life for too long; a row goes with the next sign, with the attempt's end, and with the session at the latest.
create table stalls (
    run      text not null,
    ident    text not null,                        -- of the step
    claim    integer not null,                     -- under which it runs: of another one nothing here counts
    name     text not null,
    attempt  integer not null,
    since_at integer not null,                     -- its last sign of life, or its start
    stack    blob not null,                        -- JSON: where it stands, as lines without secrets, outermost first
    session  integer not null,
    primary key (run, ident)
) strict;
