-- Each session names its own lease: processes with other settings must neither bury it too early nor wait too long.
alter table sessions add column lease_ms bigint not null default 10000;
