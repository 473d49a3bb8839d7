"""Recorded market history: read from a folder of CSV files, never written, nothing cached."""
