"""Reads recorded market history from a folder of CSV files."""
