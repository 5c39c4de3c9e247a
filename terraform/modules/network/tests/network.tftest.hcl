mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = {
      names = ["eu-central-1c", "eu-central-1a", "eu-central-1b", "eu-central-1d"]
    }
  }
}

variables {
  name                 = "aistratus-test"
  region               = "eu-central-1"
  private              = false
  customer_managed_key = false
  session_manager      = false
}

run "public_by_default" {
  command = plan

  assert {
    condition     = length(aws_subnet.this) == 3 && toset(keys(aws_subnet.this)) == toset(["eu-central-1a", "eu-central-1b", "eu-central-1c"])
    error_message = "There should be a subnet in each of the first three zones."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.this : subnet.map_public_ip_on_launch])
    error_message = "Instances need a public address, as there is no NAT."
  }

  assert {
    condition     = length(distinct([for subnet in aws_subnet.this : subnet.cidr_block])) == 3 && aws_subnet.this["eu-central-1b"].cidr_block == "10.60.1.0/24"
    error_message = "Each zone should have addresses of its own."
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_security_group.endpoints) == 0
    error_message = "Nothing that costs while nothing runs should be there by default."
  }

  assert {
    condition     = aws_vpc_endpoint.gateway["s3"].service_name == "com.amazonaws.eu-central-1.s3" && aws_vpc_endpoint.gateway["dynamodb"].vpc_endpoint_type == "Gateway"
    error_message = "S3 and DynamoDB should have gateway endpoints."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.endpoints) == 0
    error_message = "No inbound rule anywhere."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.internet[0].from_port == 443 && aws_vpc_security_group_egress_rule.internet[0].to_port == 443 && aws_vpc_security_group_egress_rule.internet[0].ip_protocol == "tcp"
    error_message = "Only HTTPS goes out."
  }
}

run "private" {
  command = plan

  variables {
    private   = true
    max_zones = 2
  }

  assert {
    condition     = !anytrue([for subnet in aws_subnet.this : subnet.map_public_ip_on_launch]) && length(aws_subnet.this) == 2
    error_message = "Instances should have no public address."
  }

  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_route.internet) == 0 && length(aws_vpc_security_group_egress_rule.internet) == 0
    error_message = "There should be no way to the internet."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["autoscaling", "logs", "monitoring", "sqs", "ssm"])
    error_message = "What a worker calls should have endpoints, and nothing else."
  }
}

run "aws_takes_the_descriptions" {
  command = plan

  variables {
    private = true
  }

  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
  assert {
    condition = alltrue([
      for each in concat(
        [aws_security_group.worker],
        aws_security_group.endpoints,
        aws_vpc_security_group_ingress_rule.endpoints,
        aws_vpc_security_group_egress_rule.endpoints,
        values(aws_vpc_security_group_egress_rule.gateways),
      ) : can(regex("^[a-zA-Z0-9. _:/()#,@\\[\\]+=&;{}!$*-]{1,255}$", each.description))
    ])
    error_message = "EC2 takes letters, digits and few signs, and no apostrophe."
  }
}

run "private_with_a_key" {
  command = plan

  variables {
    private              = true
    customer_managed_key = true
  }

  assert {
    condition     = contains(keys(aws_vpc_endpoint.interface), "kms")
    error_message = "With a key of our own there should be a way to KMS."
  }
}

run "private_with_a_shell" {
  command = plan

  variables {
    private         = true
    session_manager = true
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["autoscaling", "logs", "monitoring", "sqs", "ssm", "ssmmessages"])
    error_message = "A shell should need one endpoint more."
  }
}

run "few_zones" {
  command = plan

  override_data {
    target = data.aws_availability_zones.usable
    values = { names = ["eu-central-1a"] }
  }

  assert {
    condition     = length(aws_subnet.this) == 1
    error_message = "A region with fewer zones than asked for should do."
  }
}

run "refuses_no_network" {
  command = plan

  variables {
    cidr = "ten sixty"
  }

  expect_failures = [var.cidr]
}

run "refuses_every_wrong_value" {
  command = plan

  # All at once: each must be refused on its own.
  variables {
    cidr      = "10.60.0.0/28"
    max_zones = 0
    name      = "Aistratus Test"
  }

  expect_failures = [var.cidr, var.max_zones, var.name]
}
