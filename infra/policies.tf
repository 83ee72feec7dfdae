# Who may do what. Each list names the calls that the AWS twins of the ports make there, and
# no others: but for the sweep, nobody trims a journal or deletes a blob.
locals {
  notify_arn = "arn:${local.partition}:sqs:${var.region}:${local.account}:${var.name}-notify-*"

  # Tables call KMS in the name of who calls them; so does the bucket.
  tables_key = {
    Sid       = "KeyOfTables"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
    Resource  = [module.storage.key_arn]
    Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com" } }
  }

  # Append, read, and tell who watches; forget watchers that are gone.
  write_journal = {
    Sid      = "Journal"
    Effect   = "Allow"
    Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    Resource = [module.storage.journal.arn]
  }

  tell_watchers = {
    Sid      = "Watchers"
    Effect   = "Allow"
    Action   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
    Resource = [local.notify_arn]
  }

  # Accounts are opened from their snapshots; every so many entries a new one is asked for.
  open_accounts = [
    local.tables_key,
    local.write_journal,
    {
      Sid      = "Snapshots"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["${module.storage.bucket.arn}/s/*"]
    },
    {
      Sid      = "Bucket" # without it, S3 says that what isn't there is forbidden
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [module.storage.bucket.arn]
    },
    {
      Sid       = "KeyOfSnapshots"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [module.storage.key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
    },
  ]

  # Whoever writes a blob has S3 ask for a key to encrypt it.
  new_blobs_key = {
    Sid       = "KeyOfNewBlobs"
    Effect    = "Allow"
    Action    = ["kms:GenerateDataKey"]
    Resource  = [module.storage.key_arn]
    Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
  }

  ask_compaction = {
    Sid      = "Compactions"
    Effect   = "Allow"
    Action   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
    Resource = [module.compactions.jobs.arn]
  }

  compact_may = concat(local.open_accounts, [
    {
      Sid      = "NewSnapshots"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:PutObject"]
      Resource = ["${module.storage.bucket.arn}/s/*"]
    },
    local.new_blobs_key,
    {
      Sid      = "Jobs"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource = [module.compactions.jobs.arn, module.compactions.dead.arn]
    },
  ])

  sweep_may = concat(local.open_accounts, [
    {
      Sid      = "Trim"
      Effect   = "Allow"
      Action   = ["dynamodb:DeleteItem"]
      Resource = [module.storage.journal.arn]
    },
    {
      Sid      = "Directory" # and parked jobs, and how far it has come
      Effect   = "Allow"
      Action   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
      Resource = [module.storage.records.arn]
    },
    {
      Sid      = "NewSnapshots" # without what was expunged long ago
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:PutObject"]
      Resource = ["${module.storage.bucket.arn}/s/*"]
    },
    local.new_blobs_key,
    {
      Sid      = "Headers" # of blobs name their owners
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["${module.storage.bucket.arn}/m/*"]
    },
    {
      Sid      = "Remove"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject"]
      Resource = ["${module.storage.bucket.arn}/m/*", "${module.storage.bucket.arn}/s/*"]
    },
  ])

  deliver_may = concat(local.open_accounts, [
    local.ask_compaction,
    local.tell_watchers,
    {
      Sid      = "Spool" # jobs are parked in it
      Effect   = "Allow"
      Action   = ["dynamodb:PutItem"]
      Resource = [module.storage.records.arn]
    },
    {
      Sid      = "Warnings" # of a quota are blobs; no mail is read
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${module.storage.bucket.arn}/*"]
    },
    local.new_blobs_key,
    {
      Sid      = "Jobs"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource = [module.queues.jobs.arn, module.queues.dead.arn]
    },
    {
      Sid      = "Leftovers" # of a job are a new job
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [module.queues.jobs.arn]
    },
  ])

  # Mail is read, its record is kept and forgotten, and its sender is told by mail of ours.
  # Keys of domains, routes and what other hosts ask of TLS are records, too.
  send_mail = [
    local.tables_key,
    {
      Sid      = "Records"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
      Resource = [module.storage.records.arn]
    },
    {
      Sid      = "Due"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = ["${module.storage.records.arn}/index/due"]
    },
    {
      Sid      = "Mail"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
      Resource = ["${module.storage.bucket.arn}/m/*"]
    },
    {
      Sid      = "Bucket" # without it, S3 says that what isn't there is forbidden
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [module.storage.bucket.arn]
    },
    {
      Sid       = "KeyOfBlobs"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [module.storage.key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
    },
    {
      Sid      = "Wake" # and what is left to another; a notification is a delivery
      Effect   = "Allow"
      Action   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
      Resource = [module.queues.jobs.arn, module.outbound.jobs.arn, module.egress.jobs.arn]
    },
  ]

  # Beside that, its jobs, and the password of the smarthost.
  outbound_may = concat(local.send_mail, [
    {
      Sid      = "Jobs"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource = [module.outbound.jobs.arn, module.outbound.dead.arn]
      }], flatten([for ses in module.ses : [
        {
          Sid      = "SES"
          Effect   = "Allow"
          Action   = ["ses:SendEmail", "ses:SendRawEmail"]
          Resource = concat(ses.identities, [ses.configuration_set.arn])
        },
        {
          Sid      = "Events"
          Effect   = "Allow"
          Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
          Resource = [ses.events.arn]
        },
      ]]), var.smarthost_password_secret == "" ? [] : [{
      Sid      = "Password"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = [var.smarthost_password_secret]
      }], var.smarthost_password_key == "" ? [] : [{
      Sid       = "KeyOfPassword"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [var.smarthost_password_key]
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
  }])

  egress_may = concat(local.send_mail, [
    {
      Sid      = "Jobs"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource = [module.egress.jobs.arn, module.egress.dead.arn]
    },
  ])

  api_may = concat(local.open_accounts, [
    local.ask_compaction,
    local.tell_watchers,
    {
      Sid      = "Directory"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
      Resource = [module.storage.records.arn]
    },
    {
      Sid      = "Retry" # a parked job is sent again, mail to other hosts tried again
      Effect   = "Allow"
      Action   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
      Resource = [module.queues.jobs.arn, module.outbound.jobs.arn, module.egress.jobs.arn]
    },
    {
      Sid      = "Mail" # that keys for it move in and out
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
      Resource = ["${module.storage.bucket.arn}/m/*"]
    },
    local.new_blobs_key,
  ])

  gateways_may = [
    local.tables_key,
    local.write_journal,
    local.ask_compaction,
    {
      Sid      = "Directory" # and counters of logins that failed, and sums of what domains and tenants hold
      Effect   = "Allow"
      Action   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      Resource = [module.storage.records.arn]
    },
    {
      Sid      = "Blobs"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
      Resource = ["${module.storage.bucket.arn}/*"]
    },
    {
      Sid      = "Bucket" # without it, S3 says that what isn't there is forbidden
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [module.storage.bucket.arn]
    },
    {
      Sid       = "KeyOfBlobs"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [module.storage.key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
    },
    {
      Sid      = "Jobs"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]
      Resource = [module.queues.jobs.arn, module.outbound.jobs.arn, module.egress.jobs.arn]
    },
    {
      Sid    = "Watch"
      Effect = "Allow"
      Action = ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:ReceiveMessage",
      "sqs:SendMessage", "sqs:TagQueue"]
      Resource = [local.notify_arn]
    },
    {
      Sid      = "FindWatchers" # whose gateway has died; AWS knows no resource for it
      Effect   = "Allow"
      Action   = ["sqs:ListQueues"]
      Resource = ["*"]
    },
  ]
}

resource "aws_iam_policy" "gateways" {
  name        = "${var.name}-gateways-${var.region}"
  description = "What the gateways of the mail service ${var.name} may do"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.gateways_may })
}

resource "aws_iam_policy" "egress" {
  name        = "${var.name}-egress-${var.region}"
  description = "What the gateways of the mail service ${var.name} that bring mail to other hosts may do besides"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.egress_may })
}
