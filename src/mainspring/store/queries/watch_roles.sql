select role, max(beat_at), max(ended_at) from sessions group by role
