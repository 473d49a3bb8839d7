"""Builds one atomic vault call from a decision, and checks its simulation."""
