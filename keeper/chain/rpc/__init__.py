"""JSON-RPC: client, endpoints, quorum, circuit breaker, multicall."""
