"""JSON-RPC of Ethereum nodes as values: each request with the parser of its answer, and the dialects of refusals."""
