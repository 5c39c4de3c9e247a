# Where the instances live. Nothing comes in from anywhere, and only HTTPS goes out.
#
# Names are looked up at the VPC's own resolver and the time comes from a link-local address:
# neither passes a security group. There are no flow logs: with nothing listening and one port
# out they would say little, and they are paid by the gigabyte.

data "aws_availability_zones" "usable" {
  #checkov:skip=CKV_AWS_394:Only the first max_zones are used, in the order of their names, and a new zone's name comes last
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"] # no local zones: they have none of our instance types
  }
}

locals {
  zones = slice(
    sort(data.aws_availability_zones.usable.names),
    0,
    min(var.max_zones, length(data.aws_availability_zones.usable.names)),
  )

  # The services that a worker calls, apart from S3 and DynamoDB, which have gateway endpoints.
  # Credentials come from the instance's metadata, so STS is not among them.
  interface_services = var.private ? toset(concat(
    ["autoscaling", "logs", "monitoring", "sqs", "ssm"],
    var.customer_managed_key ? ["kms"] : [],
    # A shell needs no ec2messages: that is for Run Command, and old agents.
    var.session_manager ? ["ssmmessages"] : [],
  )) : toset([])
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Nothing listens and one port goes out, so flow logs would say little; they are paid by the gigabyte
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # the endpoints' private names need it

  tags = { Name = var.name }
}

resource "aws_subnet" "this" {
  for_each = { for index, zone in local.zones : zone => index }

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr, 4, each.value)
  map_public_ip_on_launch = !var.private # cheaper than NAT: paid only while an instance lives

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route_table_association" "this" {
  for_each = aws_subnet.this

  subnet_id      = each.value.id
  route_table_id = aws_route_table.this.id
}

resource "aws_internet_gateway" "this" {
  count = var.private ? 0 : 1

  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route" "internet" {
  count = var.private ? 0 : 1

  route_table_id         = aws_route_table.this.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

# AWS's default group of a VPC lets its members talk to each other. Here it allows nothing.
resource "aws_default_security_group" "nothing" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-unused" }
}

# --- endpoints of AWS services -------------------------------------------------------------

resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["dynamodb", "s3"])

  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type = "Gateway" # costs nothing
  route_table_ids   = [aws_route_table.this.id]

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  count = var.private ? 1 : 0

  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS services in this network."
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = var.private ? 1 : 0

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "HTTPS from the workers."
  referenced_security_group_id = aws_security_group.worker.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# NAT would cost a little less (about 38 USD a month) but open a way out to the whole internet,
# which a private network should not have.
resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_services

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.this : subnet.id]
  security_group_ids  = [aws_security_group.endpoints[0].id]

  tags = { Name = "${var.name}-${each.key}" }
}

# --- the workers ---------------------------------------------------------------------------

resource "aws_security_group" "worker" {
  #checkov:skip=CKV2_AWS_5:The fleet's launch template attaches it, in a module of its own
  name        = "${var.name}-worker"
  description = "Workers: nothing comes in, HTTPS goes out."
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-worker" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "internet" {
  count = var.private ? 0 : 1

  security_group_id = aws_security_group.worker.id
  description       = "HTTPS to AWS, whose addresses are many and change."
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  count = var.private ? 1 : 0

  security_group_id            = aws_security_group.worker.id
  description                  = "HTTPS to the endpoints in this network."
  referenced_security_group_id = aws_security_group.endpoints[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "gateways" {
  for_each = var.private ? aws_vpc_endpoint.gateway : {}

  security_group_id = aws_security_group.worker.id
  description       = "HTTPS to ${each.key}, through its gateway endpoint."
  prefix_list_id    = each.value.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
