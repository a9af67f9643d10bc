select {{columns.flag_answers.flag_answer}} from flag_answers where run = ? and generation = ? and flag = ? and key_hash = ?
