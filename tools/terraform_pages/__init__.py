"""Each Terraform module's README, made from its code: `python -m terraform_pages`."""
