delete from api_tokens where id = ?
