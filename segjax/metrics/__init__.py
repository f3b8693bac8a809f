"""Metrics: integer confusion counts, and the scores that are made of them."""
