-- What was let arrive once more is not chosen again by a replay of many: its repeat stands for it.
create index deliveries_replayed on deliveries (replay_of) where replay_of is not null;
