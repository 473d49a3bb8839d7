"""The keeper's vocabulary: frozen values that every other room uses."""
