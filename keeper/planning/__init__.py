"""From a decision to one atomic vault call, and the checks that its simulation must pass. Pure."""
