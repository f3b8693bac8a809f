"""From files to batches, on the host: numpy and grain, no jax array."""
