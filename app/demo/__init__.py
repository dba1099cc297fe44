"""Demo data that is real input: a story of four months, told through the product's own ways."""
