output "url" {
  description = "The API's address, without a slash at its end."
  value       = trimsuffix(aws_apigatewayv2_stage.this.invoke_url, "/")
}

output "api_id" {
  description = "The API, for metrics."
  value       = aws_apigatewayv2_api.this.id
}

output "stage_name" {
  description = "The API's stage, for metrics."
  value       = aws_apigatewayv2_stage.this.name
}
