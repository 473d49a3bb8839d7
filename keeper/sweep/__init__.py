"""Many strategies on one market: which is best, and how much of that is luck."""
