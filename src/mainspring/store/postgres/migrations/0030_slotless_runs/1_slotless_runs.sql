-- `runs_share_slots` looks for ready runs of a key without a slot at each change of the key. Without this index it reads all ready runs of
-- the automation: with many keys, that is the time of a claim. It has a row only until the commit.
create index runs_slotless on runs (automation, concurrency_key) where ready = 1 and has_slot = 0 and concurrency_key is not null;
