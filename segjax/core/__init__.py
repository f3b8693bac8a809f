"""The words of the house: names of keys, class tables, state, errors, look-ups.

Imports no other room of segjax, so every room may import it.
"""
