-- How many commits each writer has made: compared with a mark outside the store, it shows that the store went back in time.
-- Room is left in each page, so that a row that changes with each group stays in its page and no index has to be written.
create table commits (
    writer text collate "C" primary key,            -- '' = all that write to a file, who take turns; on a server one process
    number bigint not null,
    at     bigint not null                          -- of the newest one
) with (fillfactor = 40);
-- Raised whenever older marks are no proof any more.
insert into meta (key, value) values ('epoch', '1');
