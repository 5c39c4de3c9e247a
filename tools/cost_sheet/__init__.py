"""What Aistratus costs: idle, per prompt, per hour, and compared to others, for docs/cost.md."""
