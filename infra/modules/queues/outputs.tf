# Known before the queues are there, so that nobody who only names them waits for them.
output "jobs" {
  description = "Name and ARN of the queue of jobs."
  value       = { name = local.jobs, arn = local.arns[local.jobs] }
}

output "dead" {
  description = "Name and ARN of the queue of jobs that took their function down, again and again."
  value       = { name = local.dead, arn = local.arns[local.dead] }
}

output "sources" {
  description = "ARNs of both, jobs and dead, once they are there."
  value       = { jobs = aws_sqs_queue.jobs.arn, dead = aws_sqs_queue.dead.arn }
}
