data "aws_region" "current" {}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

# The region is in the name because roles are the account's, in all regions.
resource "aws_iam_role" "function" {
  name = "${var.name}-${data.aws_region.current.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  name = "function"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.function.arn}:log-stream:*"]
    }], [for s in var.statements : { for k, v in s : k => v if v != null }])
  })
}

resource "aws_lambda_function" "function" {
  function_name                  = var.name
  role                           = aws_iam_role.function.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture == "amd64" ? "x86_64" : "arm64"]
  filename                       = var.zip
  source_code_hash               = fileexists(var.zip) ? filebase64sha256(var.zip) : null
  timeout                        = var.timeout
  memory_size                    = var.memory
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = var.environment
  }

  lifecycle {
    precondition {
      condition     = fileexists(var.zip)
      error_message = "There is no ${var.zip}: 'make functions' builds it."
    }
  }

  # Without its policy the first calls would fail, and without its log group Lambda would
  # make one that keeps all for ever.
  depends_on = [aws_iam_role_policy.function, aws_cloudwatch_log_group.function]
}

resource "aws_lambda_event_source_mapping" "function" {
  for_each                = var.sources
  function_name           = aws_lambda_function.function.arn
  event_source_arn        = each.value.queue
  batch_size              = each.value.batch
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = each.value.concurrency
  }
}
