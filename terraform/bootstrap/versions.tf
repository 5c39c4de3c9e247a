# The state bucket's own state is in that bucket. The tool creates the bucket if it is missing and
# passes the settings that are missing here with -backend-config.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  backend "s3" {
    key          = "bootstrap/terraform.tfstate"
    use_lockfile = true
    encrypt      = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project    = var.project
      env        = "bootstrap"
      managed-by = "terraform"
    }
  }
}
