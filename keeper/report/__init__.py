"""A backtest on paper: one page to look at, tables to compute with, a picture for a README."""
