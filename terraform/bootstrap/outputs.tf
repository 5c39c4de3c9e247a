output "state_bucket" {
  value       = aws_s3_bucket.state.bucket
  description = "The bucket for all Terraform states of this account and region."
}

output "github_repository" {
  value       = var.github_repository
  description = "The repository whose workflows may plan and deploy; empty if none may."
}

output "plan_role_arn" {
  value       = one(aws_iam_role.plan[*].arn)
  description = "For pull requests and the nightly look for drift: the repository's variable AWS_PLAN_ROLE_ARN."
}

output "deploy_role_arns" {
  value       = { for env, role in aws_iam_role.deploy : env => role.arn }
  description = "By environment: the GitHub environment's variable AWS_ROLE_ARN."
}

output "image_role_arn" {
  value       = one(aws_iam_role.image[*].arn)
  description = "For baking images: the variable AWS_ROLE_ARN of the GitHub environment `image`."
}
