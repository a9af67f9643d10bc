update effects set skips = skips + 1, suppressed = suppressed + ?1, skipped_at = ?2, within_ms = cast(?3 as bigint), settled_at = ?4 where key = ?5
