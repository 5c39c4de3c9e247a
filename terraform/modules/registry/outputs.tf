output "prefix" {
  description = "What the names of all parameters begin with."
  value       = var.prefix

  depends_on = [aws_ssm_parameter.fixed, aws_ssm_parameter.adjustable]
}

output "arns" {
  description = "Each parameter's ARN, by its path below the prefix."
  value       = { for path, parameter in merge(aws_ssm_parameter.fixed, aws_ssm_parameter.adjustable) : path => parameter.arn }
}
