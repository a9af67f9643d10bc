-- Lines of log of runs, in compressed parts of one attempt each.
create table logs (
    run       text collate "C" not null,
    seq       bigint not null,                   -- number of its first line among all that the run gave, from 1: a gap is what was dropped
    ident     text collate "C" not null,         -- of the step; '' = the body
    attempt   bigint not null,
    first_at  bigint not null,
    last_at   bigint not null,
    lines     bigint not null,
    size      bigint not null,                   -- bytes of its lines as they were written
    upto      bigint not null,                   -- the same of all parts of the run up to this one, dropped ones included
    body      bytea not null,                    -- domain.log_part, sealed
    primary key (run, seq)
);
create index logs_by_age on logs (last_at);
