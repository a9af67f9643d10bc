delete from session_automations where session = ?
