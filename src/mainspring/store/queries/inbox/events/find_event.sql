select woken from events where id = ?
