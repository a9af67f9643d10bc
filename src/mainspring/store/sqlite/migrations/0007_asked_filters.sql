-- The sessions that began to ask the filter of a delivery that an earlier process had left undecided: ids with commas. See triggers/suspects.py.
alter table deliveries add column asked text;
