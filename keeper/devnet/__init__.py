"""The local chain of the demo and the tests."""
