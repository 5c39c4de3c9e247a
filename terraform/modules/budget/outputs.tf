output "budget_name" {
  description = "The budget, as AWS Budgets lists it."
  value       = aws_budgets_budget.month.name
}
