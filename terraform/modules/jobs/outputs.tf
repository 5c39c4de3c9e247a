output "queue_url" {
  description = "The queue of jobs."
  value       = aws_sqs_queue.jobs.url
}

output "queue_arn" {
  description = "The queue of jobs, for policies."
  value       = aws_sqs_queue.jobs.arn
}

output "queue_name" {
  description = "The queue of jobs, for metrics."
  value       = aws_sqs_queue.jobs.name
}

output "dead_letter_queue_url" {
  description = "The dead-letter queue."
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letter_queue_arn" {
  description = "The dead-letter queue, for policies."
  value       = aws_sqs_queue.dead_letters.arn
}

output "dead_letter_queue_name" {
  description = "The dead-letter queue, for metrics."
  value       = aws_sqs_queue.dead_letters.name
}

output "table_name" {
  description = "The table."
  value       = aws_dynamodb_table.this.name
}

output "table_arn" {
  description = "The table, for policies."
  value       = aws_dynamodb_table.this.arn
}
