select holder from run_keys where holder = any(cast(? as text[]))
