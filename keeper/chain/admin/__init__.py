"""What a deployer sends: a vault's blueprint, the transactions that make it, and their rehearsal."""
