"""Runs against each other: which differences are there, and how sure they are."""
