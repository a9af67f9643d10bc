-- The run of a key that has not expired. A key counts as long as its run has not ended.
select run from run_keys
where automation = ? and key = ? and (expires_at is null or expires_at > ? or holder is not null or state not in ({{succeeded}}, {{failed}}, {{cancelled}}))
