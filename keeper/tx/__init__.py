"""Sends transactions: intent, attempt, broadcast, receipt. It alone holds a key and spends."""
