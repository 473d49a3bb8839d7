"""Edges to HTTP sources of prices and volatility."""
