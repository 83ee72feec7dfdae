# API Gateway writes logs by a role that is a setting of the account in this region, whatever
# the number of its APIs. The policy is AWS's own: API Gateway takes no narrower one.
data "aws_partition" "current" {}
data "aws_region" "current" {}

resource "aws_iam_role" "log" {
  count = var.account_log_role ? 1 : 0
  name  = "${var.name}-log-${data.aws_region.current.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "apigateway.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "log" {
  count      = var.account_log_role ? 1 : 0
  role       = aws_iam_role.log[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "log" {
  count               = var.account_log_role ? 1 : 0
  cloudwatch_role_arn = aws_iam_role.log[0].arn
  depends_on          = [aws_iam_role_policy_attachment.log]
}
