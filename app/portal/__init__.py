"""Pages that bring the slices together for the customer, and the shell around every page."""
