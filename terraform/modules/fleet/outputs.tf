output "group_name" {
  description = "The Auto Scaling group."
  value       = aws_autoscaling_group.workers.name
}

output "group_arn" {
  description = "The Auto Scaling group, with the unique id that AWS gave it."
  value       = aws_autoscaling_group.workers.arn
}

output "termination_hook_name" {
  description = "The hook that holds an instance back until its worker has drained."
  value       = aws_autoscaling_lifecycle_hook.termination.name
}

output "role_name" {
  description = "The instances' role."
  value       = aws_iam_role.worker.name
}

output "launch_template_id" {
  description = "What an instance is made from."
  value       = aws_launch_template.worker.id
}

output "log_group_name" {
  description = "Where the instances' log goes, a stream for each."
  value       = aws_cloudwatch_log_group.worker.name
}
