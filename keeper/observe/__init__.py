"""What the keeper tells the world about itself while it runs."""
