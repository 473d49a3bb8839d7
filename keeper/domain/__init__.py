"""The keeper's vocabulary: frozen values that every other room uses. Nothing here imports from another room."""
