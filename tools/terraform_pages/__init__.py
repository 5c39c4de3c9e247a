"""Each Terraform module's README, made of its code: `python -m terraform_pages`."""
