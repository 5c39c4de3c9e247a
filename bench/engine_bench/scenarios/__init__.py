"""What is asked of the contenders, and what of the answer counts."""
