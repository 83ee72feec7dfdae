output "name" {
  description = "The rule's name."
  value       = aws_cloudwatch_event_rule.schedule.name
}
