"""The edge to the nodes: JSON-RPC, Multicall3, and the contracts that the keeper reads and simulates."""
