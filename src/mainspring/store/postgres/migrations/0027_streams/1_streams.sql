-- Records that steps and bodies write before they end.
create table stream_chunks (
    run        text collate "C" not null,               -- the run whose stream it is
    stream     text collate "C" not null,
    seq        bigint not null,                         -- number of its first record in the stream, from 1
    kind       text collate "C" not null,               -- domain.runs.stream.StreamRecordKind
    source     text collate "C" not null,               -- the run that wrote it: itself, or one that runs a step of it
    ident      text collate "C" not null,               -- of the step; '' = the body
    name       text collate "C" not null,
    generation bigint not null,
    attempt    bigint not null,
    n          bigint not null,                         -- number of its first record within the attempt, from 1; of a mark: from which on
    at         bigint not null,
    records    bigint not null,
    size       bigint not null,                         -- bytes of its records before compression
    upto       bigint not null,                         -- the same of all chunks of the stream up to this one, with deleted ones
    body       bytea not null,                          -- packed and sealed
    primary key (run, stream, seq)
);
-- The last attempt of each step, or the body, that wrote to a stream, and the number of its next record.
create table stream_writers (
    run        text collate "C" not null,
    ident      text collate "C" not null,
    stream     text collate "C" not null,
    source     text collate "C" not null,
    generation bigint not null,
    attempt    bigint not null,
    next_n     bigint not null,
    primary key (run, ident, stream)
);
