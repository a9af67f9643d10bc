-- Bytes of what a success put out: the files that it produced, else what it printed or returned; null = nobody measured it.
alter table runs add column output_size integer;
