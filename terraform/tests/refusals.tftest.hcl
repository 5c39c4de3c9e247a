# What the composition refuses with an error message.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  env                 = "test"
  image_id            = "ami-0123456789abcdef0"
  router_zip          = "main.tf" # any file: nothing is uploaded
  deletion_protection = false
}

run "refuses_every_wrong_value" {
  command = plan

  # All at once: each must be refused on its own.
  variables {
    project                     = "my-project"
    env                         = "Dev Box"
    region                      = "Frankfurt"
    image_id                    = "debian-12"
    image_kms_key_arn           = "alias/mine"
    weights_device              = "sdf"
    weights_initialization_rate = 50
    model                       = "gpt"
    models                      = []
    instance_types              = ["a big one"]
    max_instances               = 0
    idle_timeout_seconds        = 5
    log_retention_days          = 31
    alarm_email                 = "operator"
  }

  expect_failures = [var.project, var.env, var.region, var.image_id, var.image_kms_key_arn, var.weights_device, var.weights_initialization_rate, var.model, var.models, var.instance_types, var.max_instances, var.idle_timeout_seconds, var.log_retention_days, var.alarm_email]
}

run "refuses_a_budget_below_zero" {
  command = plan

  variables {
    monthly_budget_usd = -1
  }

  expect_failures = [var.monthly_budget_usd]
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

run "refuses_a_budget_that_nobody_hears_of" {
  command = plan

  variables {
    monthly_budget_usd = 50
  }

  expect_failures = [var.monthly_budget_usd]
}

run "refuses_a_schedule_in_no_time_zone" {
  command = plan

  variables {
    schedule = [{ timezone = "Europe/Berlino", wake = "08:00", sleep = "18:00" }]
  }

  expect_failures = [var.schedule]
}

run "refuses_a_schedule_at_no_time" {
  command = plan

  variables {
    schedule = [{ timezone = "Europe/Berlin", wake = "8 am", sleep = "18:00" }]
  }

  expect_failures = [var.schedule]
}

run "refuses_a_schedule_that_ends_before_it_begins" {
  command = plan

  variables {
    schedule = [{ timezone = "Europe/Berlin", wake = "18:00", sleep = "08:00" }]
  }

  expect_failures = [var.schedule]
}

run "refuses_a_schedule_on_no_day" {
  command = plan

  variables {
    schedule = [{ timezone = "Europe/Berlin", wake = "08:00", sleep = "18:00", days = ["Monday"] }]
  }

  expect_failures = [var.schedule]
}
