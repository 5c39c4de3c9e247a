# No real calls are made: the provider is a mock.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

override_resource {
  target = aws_s3_bucket.state
  values = { arn = "arn:aws:s3:::aistratus-tfstate-123456789012-eu-central-1" }
}

variables {
  region = "eu-central-1"
  bucket = "aistratus-tfstate-123456789012-eu-central-1"
}

run "without_github" {
  command = plan

  assert {
    condition     = length(aws_iam_role.plan) + length(aws_iam_role.deploy) + length(aws_iam_role.image) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "Without a repository nobody from GitHub is trusted."
  }
  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "A state that was spoilt can be had back."
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.state.block_public_acls && aws_s3_bucket_public_access_block.state.restrict_public_buckets && aws_s3_bucket_public_access_block.state.block_public_policy && aws_s3_bucket_public_access_block.state.ignore_public_acls
    error_message = "A state is never public."
  }
}

run "with_github" {
  command = plan
  variables {
    github_repository = "someone/aistratus"
  }

  assert {
    condition     = toset(keys(aws_iam_role.deploy)) == toset(["dev", "prod"])
    error_message = "Each environment has a role of its own."
  }
  assert {
    condition     = local.plan_subjects == ["repo:someone/aistratus:pull_request", "repo:someone/aistratus:ref:refs/heads/main"]
    error_message = "A plan is for pull requests and for main."
  }
  assert {
    condition     = data.aws_iam_policy_document.trust["prod"].statement[0].condition != null
    error_message = "Trust is bound by conditions."
  }
}

run "a_repository_with_ids" {
  command = plan
  variables {
    github_repository = "some-one@123456/aistratus@456789"
  }

  assert {
    condition     = local.plan_subjects == ["repo:some-one@123456/aistratus@456789:pull_request", "repo:some-one@123456/aistratus@456789:ref:refs/heads/main"]
    error_message = "The ids are part of the subject."
  }
}

run "a_repository_with_one_of_its_ids" {
  command = plan
  variables {
    github_repository = "someone/aistratus@456789"
  }
  expect_failures = [var.github_repository]
}

run "a_provider_that_is_there" {
  command = plan
  variables {
    github_repository      = "someone/aistratus"
    github_provider_exists = true
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_iam_role.plan) == 1
    error_message = "An account has GitHub's provider once."
  }
}

run "a_repository_without_an_owner" {
  command = plan
  variables {
    github_repository = "aistratus"
  }
  expect_failures = [var.github_repository]
}

run "a_region_that_is_none" {
  command = plan
  variables {
    region = "frankfurt"
  }
  expect_failures = [var.region]
}

run "a_bucket_with_capitals" {
  command = plan
  variables {
    bucket = "Aistratus"
  }
  expect_failures = [var.bucket]
}

run "a_project_with_a_hyphen" {
  command = plan
  variables {
    project = "ai-stratus"
  }
  expect_failures = [var.project]
}

run "an_environment_with_a_wildcard" {
  command = plan
  variables {
    github_environments = ["*"]
  }
  expect_failures = [var.github_environments]
}

run "old_versions_are_kept_for_a_week_at_least" {
  command = plan
  variables {
    state_versions_kept_days = 1
  }
  expect_failures = [var.state_versions_kept_days]
}
