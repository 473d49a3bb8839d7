"""Runs the live decision functions bar by bar along recorded prices."""
