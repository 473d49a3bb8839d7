"""One file per contract: how a call is encoded and its answer understood."""
