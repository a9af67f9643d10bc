select id, resolved_at from incidents where automation = '' and kind = ? and fingerprint = ''
