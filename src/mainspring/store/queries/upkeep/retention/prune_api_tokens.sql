delete from api_tokens where until_at <= ?
