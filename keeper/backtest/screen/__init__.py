"""Compiled code that shows at which bars the live functions need not be asked."""
