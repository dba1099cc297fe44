"""A local Mollie: the v2 API, its checkout page and its webhooks, on loopback, for demos and tests.

It is a program of its own. The product never imports it and reaches it only over HTTP, through the same
client that talks to the real Mollie; it imports nothing of the product either.

What must stay true:

* answers have Mollie's shapes, statuses and error fields, so that code which works here works there;
* time is virtual (`clock.py`): what falls due does so in order, at its own moment, when time passes it;
* the lock of the store is never held while a webhook is under way or a fault makes somebody wait;
* webhooks go to loopback addresses only: a sandbox never calls strangers.

`python -m topups.sandbox --port 8010` runs it, `topups.sandbox.server.start()` embeds it.
`GET /_sandbox` lists the control calls and the faults.
"""
