select incidents.id, incidents.state from failures join incidents on incidents.id = failures.incident
where failures.run = ? order by failures.seq desc limit 1
