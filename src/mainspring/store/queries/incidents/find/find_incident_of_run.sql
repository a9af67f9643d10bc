select incidents.id, incidents.state from faults join incidents on incidents.id = faults.incident
where faults.run = ? order by faults.seq desc limit 1
