"""Computes the target portfolio from a risk model: weights, leverage, and the bound that set it."""
