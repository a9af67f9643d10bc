alter table runs add column versions bytea;                              -- JSON: domain.runs.change_versions.ChangeVersions; null = none known
alter table runs add column returned_claim bigint not null default 0;    -- the last claim that its owner gave back with nothing under way
