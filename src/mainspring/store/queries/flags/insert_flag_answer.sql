insert into flag_answers {{insert.flag_answers.new_flag_answer}} on conflict do nothing
