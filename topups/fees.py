"""Fees of payment methods: what paying this way costs, shown and accepted before paying, or nothing happens.

A fee is at most what the method costs the provider. A consumer never pays one for card, transfer or direct
debit (article 62 of the second payment services directive).
"""
