select findings from sessions where id = ?
