"""Trained networks for others: one file that runs without segjax, and a page.

`load`, `bundle`, `description` and `standalone` travel inside the file, so they and all
that they import need numpy, scipy and jax alone.
"""
