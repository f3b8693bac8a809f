"""Attacks on `segjax serve`, and what they come to."""
