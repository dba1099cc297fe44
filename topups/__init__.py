"""Top-ups: money from customers through Mollie: payment methods, payments by hand and by mandate, reversals.

From above this slice is used through `topups.service` only. It never settles invoices itself: who wants to
know that money arrived or left subscribes (`on_money_arrived`, `on_money_left`).
"""
