"""Whether a price may be believed. Pure."""
