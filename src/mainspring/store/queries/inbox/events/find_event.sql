select seq, woken from events where id = ?
