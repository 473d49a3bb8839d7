"""The edge to the node: JSON-RPC, Multicall3, and the contracts the keeper reads and simulates."""
