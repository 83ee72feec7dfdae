locals {
  stage = "godwit"
  # What is no text comes and goes as it is: messages in requests, and in answers to who asks
  # for one.
  binary = ["application/vnd.godwit.messages", "message/rfc822"]
}

resource "aws_api_gateway_rest_api" "api" {
  name               = var.name
  description        = "Administration of the mail service. Requests carry a key that the function judges."
  binary_media_types = local.binary
  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

# What the API offers lies below /v1, and the document of it at /openapi.json. Nothing else is
# let through, be it health or metrics.
resource "aws_api_gateway_resource" "version" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_rest_api.api.root_resource_id
  path_part   = "v1"
}

resource "aws_api_gateway_resource" "all" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_resource.version.id
  path_part   = "{proxy+}"
}

resource "aws_api_gateway_resource" "document" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_rest_api.api.root_resource_id
  path_part   = "openapi.json"
}

locals {
  routes = {
    all      = { resource = aws_api_gateway_resource.all.id, method = "ANY" }
    document = { resource = aws_api_gateway_resource.document.id, method = "GET" }
  }
}

resource "aws_api_gateway_method" "api" {
  for_each      = local.routes
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = each.value.resource
  http_method   = each.value.method
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "api" {
  for_each                = local.routes
  rest_api_id             = aws_api_gateway_rest_api.api.id
  resource_id             = each.value.resource
  http_method             = aws_api_gateway_method.api[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = var.function_invoke_arn
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/${local.stage}/*"
}

resource "aws_api_gateway_deployment" "api" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  depends_on  = [aws_api_gateway_integration.api]
  triggers = {
    routes = sha1(jsonencode([local.routes, local.binary, var.function_invoke_arn]))
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

# Paths hold addresses, so the log has the route, not the path.
resource "aws_api_gateway_stage" "api" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  deployment_id = aws_api_gateway_deployment.api.id
  stage_name    = local.stage
  depends_on    = [aws_api_gateway_account.log]

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      request = "$context.requestId"
      time    = "$context.requestTimeEpoch"
      method  = "$context.httpMethod"
      route   = "$context.resourcePath"
      status  = "$context.status"
      bytes   = "$context.responseLength"
      ms      = "$context.responseLatency"
      source  = "$context.identity.sourceIp"
      error   = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_api_gateway_method_settings" "api" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  stage_name  = aws_api_gateway_stage.api.stage_name
  method_path = "*/*"
  settings {
    throttling_rate_limit  = var.rate
    throttling_burst_limit = var.burst
    metrics_enabled        = true
  }
}
