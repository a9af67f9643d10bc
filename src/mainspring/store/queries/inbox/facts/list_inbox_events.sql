select seq, source from inbox where run = ? and kind = {{event}} order by seq
