"""Views of a record and of the vault: each field is described once, and JSON, screens and log lines follow from it."""
