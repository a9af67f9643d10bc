delete from inbox where run = ? and ident = ? and kind in ({{event}}, {{answer}}) returning kind, source
