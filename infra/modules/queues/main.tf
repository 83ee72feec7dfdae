data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # The queue of dead letters names the other, which names it: one of the two by its name alone.
  deliver = "${var.name}-deliver"
  deliver_arn = join(":", ["arn", data.aws_partition.current.partition, "sqs", data.aws_region.current.name,
  data.aws_caller_identity.current.account_id, local.deliver])

  days = 24 * 60 * 60
  # The largest that the provider lets a queue take. Jobs are text, 4 bytes for 3.
  largest = 256 * 1024
  # So often is a job handed out before it is a dead letter: only one that takes its
  # function down with it comes so far, since what fails is parked.
  receives = 5
}

resource "aws_sqs_queue" "deliver" {
  name                       = local.deliver
  visibility_timeout_seconds = var.visibility
  message_retention_seconds  = 14 * local.days
  max_message_size           = local.largest
  sqs_managed_sse_enabled    = true
}

resource "aws_sqs_queue" "dead" {
  name                       = "${var.name}-deliver-dead"
  visibility_timeout_seconds = var.visibility
  message_retention_seconds  = 14 * local.days
  max_message_size           = local.largest
  sqs_managed_sse_enabled    = true
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.deliver_arn]
  })
}

resource "aws_sqs_queue_redrive_policy" "deliver" {
  queue_url = aws_sqs_queue.deliver.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = local.receives
  })
}

resource "aws_sqs_queue_policy" "encrypted" {
  for_each  = { deliver = aws_sqs_queue.deliver, dead = aws_sqs_queue.dead }
  queue_url = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EncryptedConnectionsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
