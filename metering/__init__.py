"""Metering: usage events come in, are rated by their meter's price and debited from the balance."""
