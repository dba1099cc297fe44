"""Pay links: an unguessable address where whoever pays the bills pays an invoice or tops up, without account.

A link shows only what a payer needs and can be withdrawn at any time. Nothing is told to a guesser:
a wrong, a withdrawn and an expired link look the same.
"""
