update effects
set skips = skips + 1, suppressed = suppressed + ?1, skipped_at = ?2, skipped_by = ?3, within_ms = cast(?4 as bigint), settled_at = ?5
where key = ?6
