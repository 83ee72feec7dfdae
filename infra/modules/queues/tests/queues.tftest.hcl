mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
}

override_resource {
  target = aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-deliver", id = "deliver" }
}

override_resource {
  target = aws_sqs_queue.dead
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-deliver-dead", id = "dead" }
}

variables {
  name       = "mail"
  queue      = "deliver"
  visibility = 180
}

run "no_job_is_lost" {
  assert {
    condition = jsondecode(aws_sqs_queue.jobs.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-west-1:123456789012:mail-deliver-dead"
      maxReceiveCount     = 5
    }
    error_message = "After five tries a job must go to the dead letters."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.dead.redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.jobs.arn]
    error_message = "The dead letters must be taken from the queue of jobs, and from no other."
  }
  assert {
    condition     = aws_sqs_queue.jobs.name == "mail-deliver" && aws_sqs_queue.dead.name == "mail-deliver-dead"
    error_message = "The twin looks for NAME-deliver and NAME-deliver-dead."
  }
  assert {
    condition     = alltrue([for q in [aws_sqs_queue.jobs, aws_sqs_queue.dead] : q.message_retention_seconds == 1209600 && q.sqs_managed_sse_enabled])
    error_message = "Jobs are kept for 14 days, encrypted."
  }
  assert {
    condition     = alltrue([for q in [aws_sqs_queue.jobs, aws_sqs_queue.dead] : q.max_message_size == 262144 && q.visibility_timeout_seconds == 180])
    error_message = "A queue must take the largest job, and hide it while its function may run."
  }
  assert {
    condition = alltrue([for q in [aws_sqs_queue.jobs, aws_sqs_queue.dead] :
    jsondecode(q.policy).Statement[0].Resource == q.arn && jsondecode(q.policy).Statement[0].Effect == "Deny" && jsondecode(q.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "Connections without TLS must be refused."
  }
}
