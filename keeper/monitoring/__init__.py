"""Tells others how the keeper is: Prometheus metrics, health pages, alerts and a dead man's switch."""
