select name, failures from channels where lease = ? order by name
