"""Which prices the keeper trusts: rules on a feed's round, its history and second opinions. Pure."""
