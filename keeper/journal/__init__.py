"""The durable memory: rounds, decision records, intents and their attempts."""
