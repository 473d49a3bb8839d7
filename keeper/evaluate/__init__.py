"""Measures out of sample which risk estimator forecasts best."""
