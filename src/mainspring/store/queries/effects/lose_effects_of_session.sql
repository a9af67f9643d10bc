update effects set state = case when recovery = {{recovery.person}} then {{in_doubt}} else {{unknown}} end, settled_at = :now, note = :note
where session = :session and state = {{pending}}
