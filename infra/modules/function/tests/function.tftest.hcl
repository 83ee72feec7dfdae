mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mail-deliver-eu-west-1" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/mail-deliver" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:mail-deliver" }
  }
}

variables {
  name                 = "mail-deliver"
  zip                  = "main.tf" # any file is as good where nothing runs
  architecture         = "arm64"
  timeout              = 60
  memory               = 512
  reserved_concurrency = -1
  log_days             = 30
  key_arn              = "arn:aws:kms:eu-west-1:123456789012:key/k"
  environment          = { GODWIT_AWS_NAME = "mail" }
  statements = [
    { Sid = "Read", Effect = "Allow", Action = ["sqs:ReceiveMessage"], Resource = ["arn:aws:sqs:eu-west-1:123456789012:mail-deliver"] },
    {
      Sid       = "Key", Effect = "Allow", Action = ["kms:Decrypt"], Resource = ["arn:aws:kms:eu-west-1:123456789012:key/k"],
      Condition = { StringEquals = { "kms:ViaService" = "dynamodb.eu-west-1.amazonaws.com" } }
    },
  ]
  sources = {
    deliver = { queue = "arn:aws:sqs:eu-west-1:123456789012:mail-deliver", batch = 10, concurrency = 50 }
  }
}

run "it_gets_what_it_was_given_and_its_log" {
  assert {
    condition = jsondecode(aws_iam_role_policy.function.policy).Statement == [
      {
        Sid      = "Log", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource = ["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/mail-deliver:log-stream:*"]
      },
      { Sid = "Read", Effect = "Allow", Action = ["sqs:ReceiveMessage"], Resource = ["arn:aws:sqs:eu-west-1:123456789012:mail-deliver"] },
      {
        Sid       = "Key", Effect = "Allow", Action = ["kms:Decrypt"], Resource = ["arn:aws:kms:eu-west-1:123456789012:key/k"],
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.eu-west-1.amazonaws.com" } }
      },
    ]
    error_message = "Its role must have its statements, with their conditions, and its own log."
  }
  assert {
    condition     = aws_cloudwatch_log_group.function.retention_in_days == 30 && aws_cloudwatch_log_group.function.kms_key_id == var.key_arn
    error_message = "Its log must be encrypted, and not be kept for ever."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.function["deliver"].function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "Only what has failed of a batch must come again."
  }
  assert {
    condition     = one(aws_lambda_event_source_mapping.function["deliver"].scaling_config).maximum_concurrency == 50 && aws_lambda_event_source_mapping.function["deliver"].batch_size == 10
    error_message = "A source must have the batch and the concurrency that were asked for."
  }
  assert {
    condition     = aws_lambda_function.function.architectures == tolist(["arm64"]) && aws_lambda_function.function.runtime == "provided.al2023"
    error_message = "arm64 is arm64."
  }
}

run "it_runs_on_amd64_and_needs_no_source" {
  variables {
    architecture = "amd64"
    sources      = {}
  }
  assert {
    condition     = aws_lambda_function.function.architectures == tolist(["x86_64"]) && length(aws_lambda_event_source_mapping.function) == 0
    error_message = "Lambda calls amd64 x86_64."
  }
}

run "other_architectures_are_refused" {
  command = plan
  variables {
    architecture = "x86_64"
  }
  expect_failures = [var.architecture]
}

run "a_zip_that_is_not_there_is_refused" {
  command = plan
  variables {
    zip = "absent.zip"
  }
  expect_failures = [aws_lambda_function.function]
}
