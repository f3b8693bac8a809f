"""What people see: the page, results without a script, cards, and drift.

Everything works as plain forms and links; `static/js` makes more of it where a browser
runs scripts.
"""
