update triggers set path = null where automation = ?
