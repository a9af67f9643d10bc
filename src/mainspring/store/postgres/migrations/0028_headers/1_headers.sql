-- Headers of runs: texts that go from a start through everything that follows from it. Fixed at the start.
alter table runs add column headers bytea;                             -- sealed JSON; null = it has none

drop trigger runs_hold_blobs on runs;
drop trigger runs_change_blobs on runs;
drop trigger runs_release_blobs on runs;
create trigger runs_hold_blobs after insert on runs for each row
when (substring(new.input from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040' or substring(new.published from 1 for 2) = '\x0040' or substring(new.tags from 1 for 2) = '\x0040' or substring(new.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result published tags headers');
create trigger runs_change_blobs after update of input, result, published, tags, headers on runs for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(new.input from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040' or substring(new.result from 1 for 2) = '\x0040' or substring(old.published from 1 for 2) = '\x0040' or substring(new.published from 1 for 2) = '\x0040' or substring(old.tags from 1 for 2) = '\x0040' or substring(new.tags from 1 for 2) = '\x0040' or substring(old.headers from 1 for 2) = '\x0040' or substring(new.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result published tags headers');
create trigger runs_release_blobs after delete on runs for each row
when (substring(old.input from 1 for 2) = '\x0040' or substring(old.result from 1 for 2) = '\x0040' or substring(old.published from 1 for 2) = '\x0040' or substring(old.tags from 1 for 2) = '\x0040' or substring(old.headers from 1 for 2) = '\x0040') execute function track_blobs('id', 'input result published tags headers');
