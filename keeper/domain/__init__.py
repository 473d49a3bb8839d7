"""The nouns. Frozen values that every other room speaks in; nothing here imports anything of ours outside
this room."""
