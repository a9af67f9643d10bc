-- What each process takes of its machine, as it says with each beat; null = it has not said it.
alter table sessions add column memory integer;    -- bytes
alter table sessions add column processor integer; -- thousandths of one core since the beat before
