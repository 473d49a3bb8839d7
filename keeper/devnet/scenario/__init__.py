"""A window of recorded history, or an incident, played on the local chain around the keeper."""
