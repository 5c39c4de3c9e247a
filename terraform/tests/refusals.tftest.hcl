# What the composition refuses, in a sentence.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  env                 = "test"
  image_id            = "ami-0123456789abcdef0"
  router_zip          = "main.tf" # any file: nothing is uploaded
  deletion_protection = false
}

run "refuses_a_wrong_environment" {
  command = plan

  variables {
    env = "Dev Box"
  }

  expect_failures = [var.env]
}

run "refuses_a_wrong_project" {
  command = plan

  variables {
    project = "my-project"
  }

  expect_failures = [var.project]
}

run "refuses_a_wrong_region" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "refuses_what_is_no_image" {
  command = plan

  variables {
    image_id = "debian-12"
  }

  expect_failures = [var.image_id]
}

run "refuses_what_is_no_device" {
  command = plan

  variables {
    weights_device = "sdf"
  }

  expect_failures = [var.weights_device]
}

run "refuses_a_rate_that_aws_has_not" {
  command = plan

  variables {
    weights_initialization_rate = 50
  }

  expect_failures = [var.weights_initialization_rate]
}

run "refuses_no_model" {
  command = plan

  variables {
    models = []
  }

  expect_failures = [var.models]
}

run "refuses_an_answer_that_does_not_fit" {
  command = plan

  variables {
    models = [{ id = "a", title = "A", context = 512, default_max_tokens = 512, default_temperature = 0.7, license = "MIT" }]
  }

  expect_failures = [var.models]
}

run "refuses_a_wild_temperature" {
  command = plan

  variables {
    models = [{ id = "a", title = "A", context = 512, default_max_tokens = 128, default_temperature = 3, license = "MIT" }]
  }

  expect_failures = [var.models]
}

run "refuses_what_is_no_instance_type" {
  command = plan

  variables {
    instance_types = ["a big one"]
  }

  expect_failures = [var.instance_types]
}

run "refuses_no_instance" {
  command = plan

  variables {
    max_instances = 0
  }

  expect_failures = [var.max_instances]
}

run "refuses_an_idle_timeout_of_seconds" {
  command = plan

  variables {
    idle_timeout_seconds = 5
  }

  expect_failures = [var.idle_timeout_seconds]
}

run "refuses_a_retention_that_cloudwatch_has_not" {
  command = plan

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_what_is_no_mail_address" {
  command = plan

  variables {
    alarm_email = "operator"
  }

  expect_failures = [var.alarm_email]
}

run "refuses_a_budget_below_zero" {
  command = plan

  variables {
    monthly_budget_usd = -1
  }

  expect_failures = [var.monthly_budget_usd]
}

run "refuses_a_budget_that_nobody_hears_of" {
  command = plan

  variables {
    monthly_budget_usd = 50
  }

  expect_failures = [var.monthly_budget_usd]
}
