delete from rollups where automation = ?
