# Known before the queues are there, so that nobody who only names them waits for them.
output "deliver" {
  description = "Name and ARN of the queue of jobs."
  value       = { name = local.deliver, arn = local.arns[local.deliver] }
}

output "dead" {
  description = "Name and ARN of the queue of jobs that took their function down, again and again."
  value       = { name = local.dead, arn = local.arns[local.dead] }
}

output "sources" {
  description = "ARNs of both, deliver and dead, once they are there."
  value       = { deliver = aws_sqs_queue.deliver.arn, dead = aws_sqs_queue.dead.arn }
}
