"""Which risk estimator forecasts best, measured out of sample along a market's path."""
