"""Estimates the risk of the assets from price history and option markets, and the weights that spread it."""
