"""Training: the first state, the pure step, the loop."""
