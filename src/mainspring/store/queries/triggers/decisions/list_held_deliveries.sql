select seq, id, trigger, key, name, body, data, headers, source, received_at from deliveries
where trigger = ? and by_key = ? and state = {{held}} order by seq limit ?
