select seq, id, trigger, key, name, body, data, headers, source, received_at from deliveries
where state = {{received}} and filtered = ? and trigger = ? and seq > ? order by seq limit ?
