"""Reads recorded market history from a folder of files, and judges it."""
