-- Records that steps and bodies write before they end.
create table stream_chunks (
    run        text not null,                           -- the run whose stream it is
    stream     text not null,
    seq        integer not null,                        -- number of its first record in the stream, from 1
    kind       text not null,                           -- domain.runs.stream.StreamRecordKind
    source     text not null,                           -- the run that wrote it: itself, or one that runs a step of it
    ident      text not null,                           -- of the step; '' = the body
    name       text not null,
    generation integer not null,
    attempt    integer not null,
    n          integer not null,                        -- number of its first record within the attempt, from 1; of a mark: from which on
    at         integer not null,
    records    integer not null,
    size       integer not null,                        -- bytes of its records before compression
    upto       integer not null,                        -- the same of all chunks of the stream up to this one, with deleted ones
    body       blob not null,                           -- packed and sealed
    primary key (run, stream, seq)
) strict;
-- The last attempt of each step, or the body, that wrote to a stream, and the number of its next record.
create table stream_writers (
    run        text not null,
    ident      text not null,
    stream     text not null,
    source     text not null,
    generation integer not null,
    attempt    integer not null,
    next_n     integer not null,
    primary key (run, ident, stream)
) strict, without rowid;
