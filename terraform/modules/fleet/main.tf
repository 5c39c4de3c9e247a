# The GPUs: a group of none until someone asks. What an instance may do is in policies.tf.

locals {
  log_group_name = "${var.registry_prefix}/worker"

  # The agent in the image has one log group and one name for all environments (roles/cloudwatch).
  agent_file      = "/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json"
  image_log_group = "/aistratus/worker"

  # cloud-init does both before the network is up, and so before the agent and the worker start.
  user_data = {
    # Runs at each start. Terraform sets the log group's retention, not the agent.
    bootcmd = [[
      "sh", "-c",
      "test ! -f ${local.agent_file} || sed -i -e 's|\"${local.image_log_group}\"|\"${local.log_group_name}\"|' -e 's|\"retention_in_days\": -*[0-9]*|\"retention_in_days\": -1|' -e 's|\"Environment\": \"[^\"]*\"|\"Environment\": \"${basename(var.registry_prefix)}\"|' ${local.agent_file}"
    ]]
    write_files = [{
      path        = "/etc/aistratus/instance.env"
      permissions = "0644"
      content = join("", [
        "AISTRATUS_REGISTRY=${var.registry_prefix}\n",
        "AWS_DEFAULT_REGION=${var.region}\n",
        # Beside the two hours that the dead man's switch has in the image (roles/worker).
        var.scheduled_minutes == 0 ? "" : "AISTRATUS_DEADMAN_IDLE_HOURS=${2 + ceil(var.scheduled_minutes / 60)}\n",
      ])
    }]
  }

  # Default tags apply neither to what a launch template creates nor to what a group creates.
  tags = merge(data.aws_default_tags.this.tags, { Name = "${var.name}-worker" })

  day_seconds = 24 * 3600
}

data "aws_default_tags" "this" {}

resource "aws_cloudwatch_log_group" "worker" {
  #checkov:skip=CKV_AWS_338:An environment says how long (log_retention_days); who asks what shall not be known for a year by default
  name              = local.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_launch_template" "worker" {
  name                   = "${var.name}-worker"
  description            = "A worker of ${var.name}."
  update_default_version = true

  image_id               = var.image_id
  vpc_security_group_ids = [var.security_group_id]
  user_data              = base64encode("#cloud-config\n${yamlencode(local.user_data)}")

  # The dead man's switch shuts the machine down from inside; after that it must cost nothing.
  instance_initiated_shutdown_behavior = "terminate"

  iam_instance_profile {
    arn = aws_iam_instance_profile.worker.arn
  }

  # IMDSv2 only. The token's response travels one hop: to the instance, not to containers on it.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  # Five-minute metrics are free; the worker and the agent send their own every minute.
  monitoring {
    enabled = false
  }

  # All volumes come from the image and are encrypted as it is. For the weights' volume, this sets
  # only how quickly it is loaded (docs/boot.md).
  dynamic "block_device_mappings" {
    for_each = var.weights_device == "" ? [] : [var.weights_device]

    content {
      device_name = block_device_mappings.value

      ebs {
        volume_type                = "gp3"
        iops                       = 3000
        throughput                 = 300
        volume_initialization_rate = var.weights_initialization_rate == 0 ? null : var.weights_initialization_rate
        delete_on_termination      = "true"
      }
    }
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = local.tags
    }
  }

  # The first instance needs its rights at once.
  depends_on = [aws_iam_role_policy.worker]
}

resource "aws_autoscaling_group" "workers" {
  name                = "${var.name}-workers"
  vpc_zone_identifier = var.subnet_ids

  # The router starts instances and the steward sets the group to 0.
  min_size         = 0
  desired_capacity = 0
  max_size         = var.max_instances

  # A replacement starts before Spot reclaims an instance for which it has sent a warning.
  capacity_rebalance      = true
  default_instance_warmup = 60
  health_check_type       = "EC2"

  # A safety net below the steward and the dead man's switch: replaces an instance that both missed.
  max_instance_lifetime = local.day_seconds

  # Free; the alarm for an idle GPU uses them.
  enabled_metrics = ["GroupDesiredCapacity", "GroupInServiceInstances"]

  # Terraform does not wait for a GPU.
  wait_for_capacity_timeout = "0"

  mixed_instances_policy {
    instances_distribution {
      # The steward raises it temporarily when there is no Spot capacity.
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = var.on_demand_only ? 100 : 0
      on_demand_allocation_strategy            = "prioritized"
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.worker.id
        version            = aws_launch_template.worker.latest_version
      }

      dynamic "override" {
        for_each = var.instance_types

        content {
          instance_type = override.value
        }
      }
    }
  }

  dynamic "tag" {
    for_each = local.tags

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false # the launch template has them
    }
  }

  lifecycle {
    ignore_changes = [
      desired_capacity,
      mixed_instances_policy[0].instances_distribution[0].on_demand_base_capacity,
    ]
  }

  # A running instance drains first.
  timeouts {
    delete = "15m"
  }
}

# Auto Scaling waits until the worker reports that it has drained. That takes well under a second,
# or at most 90 while AWS does not answer; for a dead worker it waits until the timeout.
resource "aws_autoscaling_lifecycle_hook" "termination" {
  name                   = "${var.name}-termination"
  autoscaling_group_name = aws_autoscaling_group.workers.name
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_TERMINATING"
  heartbeat_timeout      = 120
  default_result         = "CONTINUE"
}
