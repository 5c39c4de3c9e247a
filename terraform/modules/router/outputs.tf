output "function_name" {
  description = "The API's function."
  value       = aws_lambda_function.this["router"].function_name
}

output "function_arn" {
  description = "The API's function, without a version."
  value       = aws_lambda_function.this["router"].arn
}

output "alias" {
  description = "The name of the version that the gateway calls."
  value       = aws_lambda_alias.router.name
}

output "invoke_arn" {
  description = "What the gateway calls."
  value       = aws_lambda_alias.router.invoke_arn
}

output "steward_name" {
  description = "The steward."
  value       = aws_lambda_function.this["steward"].function_name
}

output "steward_arn" {
  description = "The steward, for policies."
  value       = aws_lambda_function.this["steward"].arn
}

output "role_names" {
  description = "The two functions' roles, by `router` and `steward`."
  value       = { for key, role in aws_iam_role.this : key => role.name }
}

output "role_arns" {
  description = "The same, for policies."
  value       = { for key, role in aws_iam_role.this : key => role.arn }
}
