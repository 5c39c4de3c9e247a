terraform {
  required_version = ">= 1.10" # earlier versions need a table for the lock

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  # `make deploy` passes the bucket, the key and the region with -backend-config.
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
