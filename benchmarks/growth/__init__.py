"""How the cost of work grows with its size; see README.md above."""
