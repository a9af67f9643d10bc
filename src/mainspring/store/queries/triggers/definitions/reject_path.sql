update triggers set path = null, problem = ? where name = ?
