output "deliver" {
  description = "Name and ARN of the queue of jobs."
  value       = { name = aws_sqs_queue.deliver.name, arn = aws_sqs_queue.deliver.arn }
}

output "dead" {
  description = "Name and ARN of the queue of jobs that took their function down, again and again."
  value       = { name = aws_sqs_queue.dead.name, arn = aws_sqs_queue.dead.arn }
}
