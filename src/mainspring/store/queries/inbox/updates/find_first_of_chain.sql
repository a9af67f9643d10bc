select coalesce(chain, id) from runs where id = ?
