update triggers set ended_at = null where automation = ? and ended_at is not null
