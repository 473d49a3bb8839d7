"""What the strategy would have done: the live keeper's own estimate, size and decide, bar by bar."""
