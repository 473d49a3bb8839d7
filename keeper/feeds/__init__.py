"""Reads prices and option markets over HTTP."""
