"""What Aistratus costs: idle, per prompt and per hour, beside others. Writes docs/cost.md."""
