"""Sending: intent, signed attempt, broadcast, receipt. The only room that holds a key and the only one that
spends."""
