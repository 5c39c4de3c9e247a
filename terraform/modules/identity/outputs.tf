output "issuer" {
  description = "Who signs the tokens."
  value       = "https://${aws_cognito_user_pool.this.endpoint}"
}

output "client_id" {
  description = "The apps' client. It is public."
  value       = aws_cognito_user_pool_client.app.id
}

output "user_pool_id" {
  description = "The pool of users."
  value       = aws_cognito_user_pool.this.id
}

output "user_pool_arn" {
  description = "The pool of users, for policies."
  value       = aws_cognito_user_pool.this.arn
}

output "login_url" {
  description = "Where people sign in."
  value       = "https://${aws_cognito_user_pool_domain.this.domain}.auth.${var.region}.amazoncognito.com"
}

output "scopes" {
  description = "What a token can be good for, in full."
  value       = [for scope in keys(local.scopes) : "${local.resource_server}/${scope}"]

  depends_on = [aws_cognito_resource_server.this]
}
