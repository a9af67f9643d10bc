select distinct channel from alerts where incident = ? and opened = ? and state = {{sent}} order by channel
