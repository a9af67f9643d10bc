select incidents.id, incidents.state from faults
join incidents on incidents.automation = faults.automation and incidents.fingerprint = faults.fingerprint
where faults.run = ? and incidents.kind in ('permanent_error', 'retries_exhausted', 'needs_attention')
order by faults.seq desc, incidents.changed_at desc limit 1
