-- A paused automation is expected again from the end of its pause on.
update pauses set ended_at = ended_at + :by where ended_at > :pending
