"""Holds an on-chain vault at leveraged risk parity."""

__version__ = "0.1.0"
