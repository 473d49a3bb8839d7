"""Serves the status page, the metrics and the health pages over HTTP, for reading only."""
