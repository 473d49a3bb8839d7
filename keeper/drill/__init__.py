"""The fire drill: which falls of the assets the vault survives by the keeper's own emergency call. Pure."""
