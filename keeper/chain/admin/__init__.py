"""What a deployer sends and reads: vault and queue deployment, parameters, state."""
