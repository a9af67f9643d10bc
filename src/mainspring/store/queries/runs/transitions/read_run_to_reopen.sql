select state, failed_ident, generation, automation, run_key, queue, partition, parent, detail, reason, kind, undoing from runs where id = ?
