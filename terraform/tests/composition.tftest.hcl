# The whole composition, without AWS: how the modules are connected.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  env                 = "test"
  image_id            = "ami-0123456789abcdef0"
  router_zip          = "main.tf" # any file: nothing is uploaded
  deletion_protection = false
}

run "everything_by_default" {
  assert {
    condition     = output.registry_prefix == "/aistratus/test" && output.group_name == "aistratus-test-workers" && output.table_name == "aistratus-test"
    error_message = "Everything should be named after project and environment."
  }

  assert {
    condition     = output.router_function == "aistratus-test-router" && output.steward_function == "aistratus-test-steward"
    error_message = "So should the functions."
  }

  assert {
    condition     = output.region == "eu-central-1" && startswith(output.api_url, "https://") && startswith(output.login_url, "https://")
    error_message = "Clients need to know where to go."
  }

  assert {
    condition     = length(aws_kms_key.this) == 0 && length(module.budget) == 0
    error_message = "What costs money or needs a decision should not be there by default."
  }

  assert {
    condition     = endswith(local.group_arn, "/${output.group_name}")
    error_message = "The router's rights should be on the group that is made."
  }
}

run "with_all_options" {
  command = plan

  variables {
    customer_managed_key = true
    private_network      = true
    on_demand_only       = true
    snapstart            = true
    weights_device       = ""
    max_instances        = 3
    alarm_email          = "operator@example.org"
    monthly_budget_usd   = 50
    cors_origins         = ["https://chat.example.org"]
    callback_urls        = ["https://chat.example.org/callback"]
    deletion_protection  = true
  }

  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation && length(module.budget) == 1
    error_message = "What was asked for should be there."
  }
}

run "in_office_hours" {
  command = plan

  variables {
    schedule = [
      { timezone = "Europe/Berlin", wake = "08:00", sleep = "18:00" },
      { timezone = "Europe/Berlin", wake = "10:30", sleep = "19:15", days = ["sat"] },
    ]
  }

  assert {
    condition     = local.scheduled_minutes == 11 * 60 + 15
    error_message = "Guards should wait from the earliest wake to the latest sleep."
  }
}

run "in_office_hours_of_two_places" {
  command = plan

  variables {
    schedule = [
      { timezone = "Europe/Berlin", wake = "08:00", sleep = "18:00" },
      { timezone = "America/New_York", wake = "08:00", sleep = "18:00" },
    ]
  }

  assert {
    condition     = local.scheduled_minutes == 24 * 60
    error_message = "Of several places it is not computed, and a day is the most."
  }
}
