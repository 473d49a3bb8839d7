"""``keeper mcp``: a read-only MCP server that answers an operator's assistant. It reaches no key and writes nothing."""
