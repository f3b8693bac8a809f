"""From an image of any size to class ids: the one path that everything predicts by.

Training's metrics, evaluation, the command line and what is served share it, so the
number in a table is the behaviour that ships.
"""
