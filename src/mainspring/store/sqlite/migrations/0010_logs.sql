-- Lines of log of runs, in compressed parts of one attempt each.
create table logs (
    run       text not null,
    seq       integer not null,                  -- number of its first line among all that the run gave, from 1: a gap is what was dropped
    ident     text not null,                     -- of the step; '' = the body
    attempt   integer not null,
    first_at  integer not null,
    last_at   integer not null,
    lines     integer not null,
    size      integer not null,                  -- bytes of its lines as they were written
    upto      integer not null,                  -- the same of all parts of the run up to this one, dropped ones included
    body      blob not null,                     -- domain.log_part, sealed
    primary key (run, seq)
) strict;
create index logs_by_age on logs (last_at);
