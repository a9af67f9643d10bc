"""Pages of incidents: the start page, lists, one incident, monitors, handover of a shift."""
