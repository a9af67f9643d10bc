-- What every supervisor asks five times a second: are there runs that were with a worker when it crashed? Few are, and a million may wait.
create index runs_suspect on runs (seq) where suspect = 1;
