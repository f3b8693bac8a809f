"""Comparison of runs: arms, what can be said of them, and the report that says it."""
