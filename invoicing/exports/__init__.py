"""What leaves for the bookkeeper and the tax office: declarations per quarter, the journal, balances."""
