"""New blocks as a node tells them by WebSocket: hints to look, never facts."""
