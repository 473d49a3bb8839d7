"""Compares many strategies on one market, and estimates how much of the best is luck."""
