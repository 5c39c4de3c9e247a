output "api_url" {
  description = "The API's address."
  value       = module.api.url
}

output "region" {
  description = "Where everything is."
  value       = var.region
}

output "user_pool_id" {
  description = "The pool of users."
  value       = module.identity.user_pool_id
}

output "client_id" {
  description = "The apps' client. It is public."
  value       = module.identity.client_id
}

output "login_url" {
  description = "Where people sign in."
  value       = module.identity.login_url
}

output "registry_prefix" {
  description = "What the names of all parameters begin with."
  value       = module.registry.prefix
}

output "queue_url" {
  description = "The queue of jobs."
  value       = module.jobs.queue_url
}

output "table_name" {
  description = "The table."
  value       = module.jobs.table_name
}

output "group_name" {
  description = "The workers' Auto Scaling group."
  value       = module.fleet.group_name
}

output "dashboard_url" {
  description = "The dashboard."
  value       = module.observability.dashboard_url
}

output "router_function" {
  description = "The API's function."
  value       = module.router.function_name
}

output "steward_function" {
  description = "The steward."
  value       = module.router.steward_name
}
