update triggers set ended_at = ? where automation = ? and ended_at is null
