"""Outgoing webhooks: what happened here, told to the provider's own systems.

A message is a row written in the transaction that causes it, so that what did not happen is
never told and what happened is never forgotten. Delivery comes after the commit, in a job,
signed as Standard Webhooks prescribes and tried again with growing pauses. Lies below every
slice: they hand it an event's name and the thing's own JSON, it knows none of them.
"""
