mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_default_tags" {
    defaults = { tags = { project = "aistratus", env = "test" } }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0" }
  }

  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::123456789012:instance-profile/aistratus-test-worker" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aistratus/test/worker" }
  }
}

variables {
  name                        = "aistratus-test"
  region                      = "eu-central-1"
  subnet_ids                  = ["subnet-1", "subnet-2"]
  security_group_id           = "sg-1"
  image_id                    = "ami-0123456789abcdef0"
  registry_prefix             = "/aistratus/test"
  queue_arn                   = "arn:aws:sqs:eu-central-1:123456789012:aistratus-test-jobs.fifo"
  dead_letter_queue_arn       = "arn:aws:sqs:eu-central-1:123456789012:aistratus-test-jobs-dlq.fifo"
  table_arn                   = "arn:aws:dynamodb:eu-central-1:123456789012:table/aistratus-test"
  weights_device              = "/dev/sdf"
  weights_initialization_rate = 300
  instance_types              = ["g6.xlarge", "g5.xlarge"]
  max_instances               = 1
  on_demand_only              = false
  session_manager             = false
  image_kms_key_arn           = null
  log_retention_days          = 30
}

run "instance" {
  assert {
    condition     = one(aws_launch_template.worker.metadata_options).http_tokens == "required" && one(aws_launch_template.worker.metadata_options).http_put_response_hop_limit == 1
    error_message = "The instance should answer to version 2 of its metadata only, one hop away."
  }

  assert {
    condition     = startswith(base64decode(aws_launch_template.worker.user_data), "#cloud-config\n")
    error_message = "User data should be read by cloud-init before the services start."
  }

  assert {
    condition     = yamldecode(base64decode(aws_launch_template.worker.user_data)).write_files[0].content == "AISTRATUS_REGISTRY=/aistratus/test\nAWS_DEFAULT_REGION=eu-central-1\n"
    error_message = "The instance should be told its registry and its region, and nothing else."
  }

  assert {
    condition     = aws_launch_template.worker.key_name == null && aws_launch_template.worker.instance_initiated_shutdown_behavior == "terminate"
    error_message = "Nobody should come in by SSH, and an instance that turns itself off should be gone."
  }

  assert {
    condition     = toset(aws_launch_template.worker.tag_specifications[*].resource_type) == toset(["instance", "volume"]) && alltrue([for each in aws_launch_template.worker.tag_specifications : each.tags.project == "aistratus"])
    error_message = "Instance and volumes should bear the default tags, by which their cost is found."
  }

  assert {
    condition     = !contains(data.aws_iam_policy_document.worker.statement[*].sid, "SessionManager")
    error_message = "No shell on an instance unless it is asked for."
  }

  assert {
    condition     = length(aws_kms_grant.image) == 0
    error_message = "AWS's own key needs no grant."
  }

  assert {
    condition     = aws_cloudwatch_log_group.worker.name == "/aistratus/test/worker" && strcontains(yamldecode(base64decode(aws_launch_template.worker.user_data)).bootcmd[0][2], "\"/aistratus/test/worker\"")
    error_message = "The agent should write to the log group of this deployment."
  }
}

run "weights" {
  assert {
    condition = (
      aws_launch_template.worker.block_device_mappings[0].device_name == "/dev/sdf"
      && one(aws_launch_template.worker.block_device_mappings[0].ebs).volume_initialization_rate == 300
      && one(aws_launch_template.worker.block_device_mappings[0].ebs).throughput == 300
    )
    error_message = "The weights should come at a set rate, and the volume should let them through."
  }
}

run "weights_in_the_root_volume" {
  variables {
    weights_device = ""
  }

  assert {
    condition     = length(aws_launch_template.worker.block_device_mappings) == 0
    error_message = "The image's own volumes should stay as they are."
  }
}

run "weights_at_aws_own_rate" {
  variables {
    weights_initialization_rate = 0
  }

  # An unset value is unknown in a mock, and null at AWS.
  assert {
    condition     = one(aws_launch_template.worker.block_device_mappings[0].ebs).volume_initialization_rate != 300
    error_message = "No rate should be asked for."
  }
}

run "group" {
  assert {
    condition     = aws_autoscaling_group.workers.name == "aistratus-test-workers"
    error_message = "The router knows the group's name before it is there."
  }

  assert {
    condition     = aws_autoscaling_group.workers.min_size == 0 && aws_autoscaling_group.workers.desired_capacity == 0 && aws_autoscaling_group.workers.max_size == 1
    error_message = "No GPU until someone asks, and never more than allowed."
  }

  assert {
    condition     = aws_autoscaling_group.workers.capacity_rebalance && aws_autoscaling_group.workers.max_instance_lifetime >= 86400
    error_message = "Spot's warnings should be heeded, and no instance should live for ever."
  }

  assert {
    condition     = one(one(aws_autoscaling_group.workers.mixed_instances_policy).instances_distribution).on_demand_percentage_above_base_capacity == 0 && one(one(aws_autoscaling_group.workers.mixed_instances_policy).instances_distribution).spot_allocation_strategy == "price-capacity-optimized"
    error_message = "Instances should be Spot's, of the pools that are cheap and likely to stay."
  }

  assert {
    condition     = one(one(aws_autoscaling_group.workers.mixed_instances_policy).launch_template).override[*].instance_type == tolist(var.instance_types)
    error_message = "Each instance type should be an offer, in the order given."
  }

  assert {
    condition     = contains(aws_autoscaling_group.workers.enabled_metrics, "GroupInServiceInstances")
    error_message = "The alarm for an idle GPU needs the number of instances."
  }

  assert {
    condition     = aws_autoscaling_lifecycle_hook.termination.name == "aistratus-test-termination" && aws_autoscaling_lifecycle_hook.termination.lifecycle_transition == "autoscaling:EC2_INSTANCE_TERMINATING"
    error_message = "An instance should be held back until its worker has drained."
  }

  # aistratus_daemon.worker.__main__: DRAIN_SECONDS.
  assert {
    condition     = aws_autoscaling_lifecycle_hook.termination.heartbeat_timeout > 90
    error_message = "A drain may take 90 seconds."
  }
}

run "on_demand_only" {
  variables {
    on_demand_only = true
    max_instances  = 3
  }

  assert {
    condition     = one(one(aws_autoscaling_group.workers.mixed_instances_policy).instances_distribution).on_demand_percentage_above_base_capacity == 100 && aws_autoscaling_group.workers.max_size == 3
    error_message = "No instance should be Spot's."
  }
}

run "rights" {
  assert {
    condition     = alltrue([for each in data.aws_iam_policy_document.worker.statement : each.effect != "Deny" && (!contains(each.resources, "*") || length(each.condition) == 1)])
    error_message = "What has no resource should have a condition."
  }

  assert {
    condition     = [for each in data.aws_iam_policy_document.worker.statement : each.resources if each.sid == "SetAside"] == [toset(["arn:aws:sqs:eu-central-1:123456789012:aistratus-test-jobs-dlq.fifo"])]
    error_message = "A worker should send to the dead-letter queue only."
  }

  assert {
    condition     = !contains(data.aws_iam_policy_document.worker.statement[*].sid, "Key")
    error_message = "Without a key of our own there should be no right to one."
  }
}

run "shell_and_key" {
  variables {
    session_manager   = true
    image_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = contains(data.aws_iam_policy_document.worker.statement[*].sid, "SessionManager")
    error_message = "The agent should have the rights that a shell needs."
  }

  assert {
    condition     = endswith(aws_kms_grant.image[0].grantee_principal, "/AWSServiceRoleForAutoScaling") && contains(aws_kms_grant.image[0].operations, "CreateGrant")
    error_message = "Auto Scaling should be able to start an image that a customer's key encrypts."
  }

  assert {
    condition     = contains(data.aws_iam_policy_document.worker.statement[*].sid, "Key") && aws_cloudwatch_log_group.worker.kms_key_id == var.kms_key_arn
    error_message = "The key should be used, and the role should have the right to."
  }
}

run "refuses_no_image" {
  command = plan

  variables {
    image_id = "ami-latest"
  }

  expect_failures = [var.image_id]
}

run "refuses_an_alias_of_a_key" {
  command = plan

  variables {
    image_kms_key_arn = "alias/mine"
  }

  expect_failures = [var.image_kms_key_arn]
}

run "refuses_the_root_device" {
  command = plan

  variables {
    weights_device = "/dev/sda1"
  }

  expect_failures = [var.weights_device]
}

run "refuses_a_rate_that_aws_does_not_take" {
  command = plan

  variables {
    weights_initialization_rate = 50
  }

  expect_failures = [var.weights_initialization_rate]
}

run "refuses_no_instance_type" {
  command = plan

  variables {
    instance_types = []
  }

  expect_failures = [var.instance_types]
}

run "refuses_an_instance_type_twice" {
  command = plan

  variables {
    instance_types = ["g6.xlarge", "g6.xlarge"]
  }

  expect_failures = [var.instance_types]
}

run "refuses_half_an_instance" {
  command = plan

  variables {
    max_instances = 0.5
  }

  expect_failures = [var.max_instances]
}

run "refuses_no_subnet" {
  command = plan

  variables {
    subnet_ids = []
  }

  expect_failures = [var.subnet_ids]
}

run "refuses_a_prefix_that_is_no_path" {
  command = plan

  variables {
    registry_prefix = "aistratus"
  }

  expect_failures = [var.registry_prefix]
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "Aistratus_Test"
  }

  expect_failures = [var.name]
}

run "without_a_schedule_the_dead_mans_switch_is_as_in_the_image" {
  assert {
    condition     = !strcontains(base64decode(aws_launch_template.worker.user_data), "DEADMAN")
    error_message = "The image has its own limit."
  }
}

run "a_schedule_keeps_the_dead_mans_switch_waiting" {
  variables {
    scheduled_minutes = 630
  }

  assert {
    condition     = yamldecode(trimprefix(base64decode(aws_launch_template.worker.user_data), "#cloud-config\n")).write_files[0].content == "AISTRATUS_REGISTRY=/aistratus/test\nAWS_DEFAULT_REGION=eu-central-1\nAISTRATUS_DEADMAN_IDLE_HOURS=13\n"
    error_message = "An idle instance should be left on for the schedule's 10.5 hours, and the two of the image."
  }
}

run "refuses_a_schedule_of_more_than_a_day" {
  command = plan

  variables {
    scheduled_minutes = 1441
  }

  expect_failures = [var.scheduled_minutes]
}
