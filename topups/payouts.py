"""The payout report: what Mollie holds for us, day by day, against what our ledger says it should hold.

A day is one in the provider's zone. Reads only: what differs is named, and mended by reconciliation.
"""
