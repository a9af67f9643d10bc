select state, role, freed from sessions where id = ?
