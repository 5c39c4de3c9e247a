# The cloud, in the order of a prompt's way through it.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  name       = "${var.project}-${var.env}"
  partition  = data.aws_partition.current.partition
  account_id = data.aws_caller_identity.current.account_id

  registry_prefix = "/${var.project}/${var.env}"
  registry_arn    = "arn:${local.partition}:ssm:${var.region}:${local.account_id}:parameter${local.registry_prefix}"

  # The group depends on the registry, the registry on the router, and the router needs rights on
  # the group. Computing the group's ARN from its name breaks this cycle.
  # Wildcard: a group's ARN contains a unique id that AWS assigns at each creation.
  group_arn = "arn:${local.partition}:autoscaling:${var.region}:${local.account_id}:autoScalingGroup:*:autoScalingGroupName/${local.name}-workers"
}

# Facts that other parts read too, each defined once. A variable that is null takes these values.
locals {
  known_models = jsondecode(file("${path.module}/../contracts/src/aistratus_contracts/models.json"))
  models       = var.models == null ? [local.known_models[var.model].card] : var.models

  known_instance_types = jsondecode(file("${path.module}/instance_types.json"))
  instance_types       = var.instance_types == null ? [for known in local.known_instance_types : known.type if known.default] : var.instance_types

  # The names that Python knows (tzdata), which the steward looks up.
  time_zones = split("\n", trimspace(file("${path.module}/time_zones.txt")))
}

# For how long the schedule may keep a GPU on with nothing to do, at most: from the earliest wake to
# the latest sleep. Guards that end or tell of an idle GPU wait for so much longer.
locals {
  wakes             = [for hours in var.schedule : try(parseint(split(":", hours.wake)[0], 10) * 60 + parseint(split(":", hours.wake)[1], 10), 0)]
  sleeps            = [for hours in var.schedule : try(parseint(split(":", hours.sleep)[0], 10) * 60 + parseint(split(":", hours.sleep)[1], 10), 0)]
  has_zones         = length(distinct(var.schedule[*].timezone)) > 1
  scheduled_minutes = length(var.schedule) == 0 ? 0 : local.has_zones ? 24 * 60 : max(local.sleeps...) - min(local.wakes...)
}

module "identity" {
  source = "./modules/identity"

  name                = local.name
  region              = var.region
  callback_urls       = var.callback_urls
  logout_urls         = [for url in var.callback_urls : "${regex("^https?://[^/]+", url)}/"]
  deletion_protection = var.deletion_protection
}

module "api" {
  source = "./modules/api"

  name                = local.name
  issuer              = module.identity.issuer
  client_id           = module.identity.client_id
  scopes              = module.identity.scopes
  function_name       = module.router.function_name
  function_alias      = module.router.alias
  function_invoke_arn = module.router.invoke_arn
  cors_origins        = var.cors_origins
  kms_key_arn         = local.kms_key_arn
  log_retention_days  = var.log_retention_days
}

module "router" {
  source = "./modules/router"

  name                         = local.name
  zip                          = var.router_zip
  registry_prefix              = local.registry_prefix
  registry_arn                 = local.registry_arn
  queue_arn                    = module.jobs.queue_arn
  dead_letter_queue_arn        = module.jobs.dead_letter_queue_arn
  table_arn                    = module.jobs.table_arn
  group_arn                    = local.group_arn
  kms_key_arn                  = local.kms_key_arn
  log_retention_days           = var.log_retention_days
  snapstart                    = var.snapstart
  reserved_concurrency         = var.reserved_concurrency
  steward_reserved_concurrency = var.steward_reserved_concurrency
  available_concurrency        = var.available_concurrency
  user_limits                  = var.user_limits
}

module "jobs" {
  source = "./modules/jobs"

  name                = local.name
  region              = var.region
  kms_key_arn         = local.kms_key_arn
  deletion_protection = var.deletion_protection
}

module "network" {
  source = "./modules/network"

  name                 = local.name
  region               = var.region
  private              = var.private_network
  customer_managed_key = var.customer_managed_key
  session_manager      = var.session_manager
}

module "fleet" {
  source = "./modules/fleet"

  name                        = local.name
  region                      = var.region
  subnet_ids                  = module.network.subnet_ids
  security_group_id           = module.network.security_group_id
  image_id                    = var.image_id
  image_kms_key_arn           = var.image_kms_key_arn
  weights_device              = var.weights_device
  weights_initialization_rate = var.weights_initialization_rate
  instance_types              = local.instance_types
  max_instances               = var.max_instances
  on_demand_only              = var.on_demand_only
  session_manager             = var.session_manager
  scheduled_minutes           = local.scheduled_minutes
  registry_prefix             = local.registry_prefix
  queue_arn                   = module.jobs.queue_arn
  dead_letter_queue_arn       = module.jobs.dead_letter_queue_arn
  table_arn                   = module.jobs.table_arn
  kms_key_arn                 = local.kms_key_arn
  log_retention_days          = var.log_retention_days
}

# The names are those of aistratus_contracts.registry; a test compares them.
module "registry" {
  source = "./modules/registry"

  prefix = local.registry_prefix

  values = {
    "jobs/queue_url"              = module.jobs.queue_url
    "jobs/dead_letter_queue_url"  = module.jobs.dead_letter_queue_url
    "jobs/table_name"             = module.jobs.table_name
    "identity/issuer"             = module.identity.issuer
    "identity/client_id"          = module.identity.client_id
    "identity/user_pool_id"       = module.identity.user_pool_id
    "identity/login_url"          = module.identity.login_url
    "api/url"                     = module.api.url
    "models"                      = jsonencode({ v = 1, models = local.models })
    "fleet/schedule"              = jsonencode({ v = 1, hours = var.schedule })
    "fleet/group_name"            = module.fleet.group_name
    "fleet/termination_hook_name" = module.fleet.termination_hook_name
  }

  adjustable = {
    "fleet/idle_timeout_seconds" = tostring(var.idle_timeout_seconds)
  }
}

module "observability" {
  source = "./modules/observability"

  name                   = local.name
  environment            = var.env
  region                 = var.region
  api_id                 = module.api.api_id
  stage_name             = module.api.stage_name
  router_function        = module.router.function_name
  steward_function       = module.router.steward_name
  queue_name             = module.jobs.queue_name
  dead_letter_queue_name = module.jobs.dead_letter_queue_name
  table_name             = module.jobs.table_name
  group_name             = module.fleet.group_name
  alarm_email            = var.alarm_email
  scheduled_minutes      = local.scheduled_minutes
  kms_key_arn            = local.kms_key_arn
}

module "budget" {
  source = "./modules/budget"
  count  = var.monthly_budget_usd > 0 ? 1 : 0

  name        = local.name
  monthly_usd = var.monthly_budget_usd
  topic_arn   = module.observability.topic_arn
  email       = var.alarm_email
}
