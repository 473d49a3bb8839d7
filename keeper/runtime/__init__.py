"""Process plumbing: threads, deadlines, failpoints, logs. It knows nothing of the domain."""
