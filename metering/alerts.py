"""What a customer wants to be warned of: amounts, percentages, days left and monthly limits.

Evaluated off the hot path: a charge only notices that the balance passed the attention mark.
Every crossing is told once; a rule is armed again when the balance has risen above it.
"""
