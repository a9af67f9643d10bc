-- How many commits each writer has made: compared with a mark outside the store, it shows that the store went back in time.
create table commits (
    writer text primary key,                        -- '' = all that write to a file, who take turns; on a server one process
    number integer not null,
    at     integer not null                         -- of the newest one
) strict, without rowid;
insert into commits (writer, number, at) values ('', 0, 0);
-- Raised whenever older marks are no proof any more.
insert into meta (key, value) values ('epoch', '1');
