alter table runs add column versions blob;                               -- JSON: domain.runs.change_versions.ChangeVersions; null = none known
alter table runs add column returned_claim integer not null default 0;   -- the last claim that its owner gave back with nothing under way
