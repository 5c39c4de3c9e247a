output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "A subnet in each zone."
  value       = [for subnet in aws_subnet.this : subnet.id]

  # An instance that starts before these exist would never get out.
  depends_on = [aws_route.internet, aws_route_table_association.this, aws_vpc_endpoint.interface]
}

output "security_group_id" {
  description = "The workers' security group."
  value       = aws_security_group.worker.id
}
