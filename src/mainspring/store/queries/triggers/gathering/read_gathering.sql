select expected, here, deadline_at, run from gatherings where trigger = ? and per = ?
