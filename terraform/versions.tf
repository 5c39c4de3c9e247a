terraform {
  required_version = ">= 1.10" # before, a lock needed a table of its own

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  # The bucket, the key and the region come with -backend-config: `make deploy` knows them.
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project    = var.project
      env        = var.env
      managed-by = "terraform"
    }
  }
}
