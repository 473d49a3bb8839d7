"""From price history and option markets to the risk of the assets and the weights that spread it."""
