"""An account on a lending venue: its formulas, and what the vault holds there while the steps of a call go by."""
