"""Adding a payment method without topping up: a first payment of nothing, where the method allows that.

A card or PayPal gives its mandate at the checkout for €0.00. An account behind iDEAL or Bancontact
cannot; there the first payment is a top-up. Consent is asked and kept as with any saved method.
"""
