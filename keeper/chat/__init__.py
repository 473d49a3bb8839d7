"""Answers a few people in a chat: status, explain, and pause. It can stop the keeper and nothing else."""
