"""Writes a backtest as a page, as tables and as a picture."""
