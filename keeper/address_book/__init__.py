"""What is deployed where: one TOML file per chain, and their reader."""
