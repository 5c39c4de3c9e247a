"""The instances: whether they are wanted, what they do, and the decisions about them."""
