mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_resource "aws_api_gateway_rest_api" {
    defaults = { id = "a1", execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:a1", root_resource_id = "root" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/apigateway/mail-api" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mail-api-log-eu-west-1" }
  }
}

variables {
  name                = "mail-api"
  function_name       = "mail-api"
  function_invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:mail-api/invocations"
  rate                = 50
  burst               = 100
  account_log_role    = true
  log_days            = 30
  key_arn             = "arn:aws:kms:eu-west-1:123456789012:key/k"
}

run "only_the_api_is_let_through" {
  assert {
    condition = (aws_api_gateway_resource.version.path_part == "v1" && aws_api_gateway_resource.all.parent_id == aws_api_gateway_resource.version.id
    && aws_api_gateway_resource.all.path_part == "{proxy+}" && aws_api_gateway_resource.document.path_part == "openapi.json")
    error_message = "What lies outside /v1, such as metrics, must not be reached."
  }
  assert {
    condition     = { for k, m in aws_api_gateway_method.api : k => m.http_method } == { all = "ANY", document = "GET" }
    error_message = "The document is only read."
  }
  assert {
    condition     = alltrue([for i in values(aws_api_gateway_integration.api) : i.type == "AWS_PROXY" && i.uri == var.function_invoke_arn])
    error_message = "The function must answer."
  }
  assert {
    condition     = toset(aws_api_gateway_rest_api.api.binary_media_types) == toset(["application/vnd.godwit.messages", "message/rfc822"])
    error_message = "Messages must come and go as they are."
  }
  assert {
    condition     = aws_lambda_permission.api.principal == "apigateway.amazonaws.com" && aws_lambda_permission.api.source_arn == "arn:aws:execute-api:eu-west-1:123456789012:a1/godwit/*"
    error_message = "Only this API's stage may call the function."
  }
  assert {
    condition = (one(aws_api_gateway_method_settings.api.settings).throttling_rate_limit == 50
    && one(aws_api_gateway_method_settings.api.settings).throttling_burst_limit == 100)
    error_message = "Requests must be limited."
  }
  assert {
    condition     = one(aws_api_gateway_stage.api.access_log_settings).destination_arn == aws_cloudwatch_log_group.api.arn && aws_cloudwatch_log_group.api.retention_in_days == 30
    error_message = "Requests must be logged, and the log not be kept for ever."
  }
  assert {
    condition     = !strcontains(one(aws_api_gateway_stage.api.access_log_settings).format, "$context.path")
    error_message = "Paths hold addresses, which must not be in the log."
  }
}

run "the_account_may_have_its_log_role_already" {
  variables {
    account_log_role = false
  }
  assert {
    condition     = length(aws_api_gateway_account.log) + length(aws_iam_role.log) + length(aws_iam_role_policy_attachment.log) == 0
    error_message = "The account's setting must be left alone."
  }
}
