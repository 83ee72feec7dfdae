data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  days = 24 * 60 * 60
  # The largest that the provider lets a queue take. Jobs are text, 4 bytes for 3.
  largest = 256 * 1024
  # So often is a job handed out before it is a dead letter: only one that takes its
  # function down with it comes so far, since what fails is parked.
  receives = 5

  # The two queues name each other, and so does each in its own policy: by its name alone.
  jobs = "${var.name}-${var.queue}"
  dead = "${local.jobs}-dead"
  arns = { for q in [local.jobs, local.dead] : q => join(":", [
    "arn", data.aws_partition.current.partition, "sqs", data.aws_region.current.name, data.aws_caller_identity.current.account_id, q
  ]) }
  policies = { for q, arn in local.arns : q => jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EncryptedConnectionsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  }) }
}

# Policies are within the queues: as resources of their own, the provider would wait for
# each, half a minute when it comes and when it goes.
resource "aws_sqs_queue" "jobs" {
  name                       = local.jobs
  visibility_timeout_seconds = var.visibility
  message_retention_seconds  = 14 * local.days
  max_message_size           = local.largest
  sqs_managed_sse_enabled    = true
  policy                     = local.policies[local.jobs]
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = local.receives
  })
}

resource "aws_sqs_queue" "dead" {
  name                       = local.dead
  visibility_timeout_seconds = var.visibility
  message_retention_seconds  = 14 * local.days
  max_message_size           = local.largest
  sqs_managed_sse_enabled    = true
  policy                     = local.policies[local.dead]
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arns[local.jobs]]
  })
}
