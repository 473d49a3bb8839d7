"""From a risk model to the portfolio the vault should hold: weights, leverage, and the bound that set it."""
