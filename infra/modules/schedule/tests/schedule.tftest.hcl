mock_provider "aws" {
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:123456789012:rule/mail-sweep" }
  }
}

variables {
  name          = "mail-sweep"
  expression    = "rate(1 hour)"
  function_name = "mail-sweep"
  function_arn  = "arn:aws:lambda:eu-west-1:123456789012:function:mail-sweep"
}

run "the_rule_calls_the_function_and_nobody_else_may_in_its_name" {
  assert {
    condition     = aws_cloudwatch_event_rule.schedule.schedule_expression == "rate(1 hour)" && aws_cloudwatch_event_target.schedule.arn == var.function_arn && aws_cloudwatch_event_target.schedule.rule == "mail-sweep"
    error_message = "The rule must call the function."
  }
  assert {
    condition     = aws_lambda_permission.schedule.source_arn == aws_cloudwatch_event_rule.schedule.arn && aws_lambda_permission.schedule.principal == "events.amazonaws.com"
    error_message = "The function must let the rule call it, and no other one."
  }
}
