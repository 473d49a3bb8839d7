"""From where the vault is and where it should be to whether, how urgently and how far to trade."""
