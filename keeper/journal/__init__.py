"""The database: price rounds, decision records, intents and their attempts, pauses."""
