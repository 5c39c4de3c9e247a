"""What is deployed on AWS: making, changing, removing it, its users and its GPU."""
