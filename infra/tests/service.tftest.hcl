# The whole service with made-up parts. infra_test.go reads what the first run has made.
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
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/k", key_id = "k" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mail-123456789012-eu-west-1", id = "mail-123456789012-eu-west-1" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:some" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/some" }
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:lambda:eu-west-1:123456789012:function:some"
      invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:some/invocations"
    }
  }
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:123456789012:rule/some" }
  }
  mock_resource "aws_api_gateway_rest_api" {
    defaults = { id = "a1", execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:a1" }
  }
  mock_resource "aws_api_gateway_stage" {
    defaults = { invoke_url = "https://a1.execute-api.eu-west-1.amazonaws.com/godwit" }
  }
}

override_resource {
  target = module.storage.aws_dynamodb_table.journal
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/mail-journal" }
}

override_resource {
  target = module.storage.aws_dynamodb_table.records
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/mail-records" }
}

override_resource {
  target = module.queues.aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-deliver", id = "deliver" }
}

override_resource {
  target = module.queues.aws_sqs_queue.dead
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-deliver-dead", id = "dead" }
}

override_resource {
  target = module.compactions.aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-compact", id = "compact" }
}

override_resource {
  target = module.compactions.aws_sqs_queue.dead
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-compact-dead", id = "compact-dead" }
}

override_resource {
  target = module.outbound.aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-outbound", id = "outbound" }
}

override_resource {
  target = module.outbound.aws_sqs_queue.dead
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-outbound-dead", id = "outbound-dead" }
}

override_resource {
  target = module.egress.aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-egress", id = "egress" }
}

override_resource {
  target = module.egress.aws_sqs_queue.dead
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-egress-dead", id = "egress-dead" }
}

variables {
  name      = "mail"
  region    = "eu-west-1"
  functions = "tests/functions" # any file is as good where nothing runs
}

run "service" {
  assert {
    condition     = output.bucket == "mail-123456789012-eu-west-1" && output.key == "arn:aws:kms:eu-west-1:123456789012:key/k"
    error_message = "Gateways must be told the bucket and the key."
  }
  assert {
    condition     = output.api_url == "https://a1.execute-api.eu-west-1.amazonaws.com/godwit"
    error_message = "In AWS, the API's URL is AWS's."
  }
}

run "who_sends_reads_the_settings_and_one_secret" {
  variables {
    hostname                  = "mail.example.org"
    sending                   = { "outbound.way" = "smarthost", "outbound.smarthost-tls" = "verified", "dns.servers" = "10.0.0.2" }
    smarthost_password_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:smarthost-a1b2c3"
    smarthost_password_key    = "arn:aws:kms:eu-west-1:123456789012:key/other"
  }
  assert {
    condition     = output.sending == { GODWIT_HOSTNAME = "mail.example.org", GODWIT_OUTBOUND_WAY = "smarthost", GODWIT_OUTBOUND_SMARTHOST_TLS = "verified", GODWIT_DNS_SERVERS = "10.0.0.2" }
    error_message = "Settings must become the variables that the programs read."
  }
  assert {
    condition     = [for s in local.outbound_may : s.Resource if contains(s.Action, "secretsmanager:GetSecretValue")] == [["arn:aws:secretsmanager:eu-west-1:123456789012:secret:smarthost-a1b2c3"]]
    error_message = "The function that sends must read the password, and no other secret."
  }
  assert {
    condition     = [for s in local.outbound_may : s.Resource if s.Sid == "KeyOfPassword"] == [["arn:aws:kms:eu-west-1:123456789012:key/other"]]
    error_message = "It must be able to decrypt it."
  }
  assert {
    condition     = alltrue([for s in concat(local.egress_may, local.gateways_may, local.api_may, local.deliver_may) : !contains(s.Action, "secretsmanager:GetSecretValue")])
    error_message = "Nobody else reads it."
  }
}

run "without_a_password_no_secret_is_read" {
  assert {
    condition     = alltrue([for s in local.outbound_may : !contains(s.Action, "secretsmanager:GetSecretValue")])
    error_message = "There is no secret to be read."
  }
  assert {
    condition     = [for s in local.outbound_may : s.Resource if s.Sid == "Due"] == [["arn:aws:dynamodb:eu-west-1:123456789012:table/mail-records/index/due"]]
    error_message = "What is due is found by the index."
  }
}

run "a_password_is_no_setting" {
  command = plan
  variables {
    sending = { "outbound.password" = "secret" }
  }
  expect_failures = [var.sending]
}

run "many_secrets_are_refused" {
  command = plan
  variables {
    smarthost_password_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*"
  }
  expect_failures = [var.smarthost_password_secret]
}

run "a_domain_gets_its_records" {
  variables {
    zones = { "example.org" = { zone = "Z1", records = [{ type = "MX", name = "example.org", value = "10 mail.example.org.", for = "mail", found = false }] } }
  }
  assert {
    condition     = module.dns["example.org"].names == tolist(["example.org"])
    error_message = "They must be made."
  }
}

run "ses_is_off_until_it_has_domains" {
  assert {
    condition     = length(module.ses) == 0 && alltrue([for s in local.outbound_may : !contains(s.Action, "ses:SendEmail")])
    error_message = "Nobody may send by SES."
  }
}

run "the_function_sends_by_ses_and_hears_of_it" {
  command = plan
  variables {
    ses_domains = ["example.org"]
  }
  assert {
    condition     = length(module.ses) == 1 && length([for s in local.outbound_may : s if s.Sid == "SES" || s.Sid == "Events"]) == 2
    error_message = "The function must be allowed to send, and to take the events."
  }
}

run "the_sweep_alone_removes" {
  assert {
    condition     = [for s in local.sweep_may : s.Action if s.Sid == "Trim"] == [["dynamodb:DeleteItem"]] && [for s in local.sweep_may : s.Resource if s.Sid == "Remove"] == [["arn:aws:s3:::mail-123456789012-eu-west-1/m/*", "arn:aws:s3:::mail-123456789012-eu-west-1/s/*"]]
    error_message = "The sweep must be allowed to trim journals and to delete blobs and snapshots."
  }
  assert {
    condition     = alltrue([for s in concat(local.compact_may, local.deliver_may, local.api_may, local.gateways_may) : !contains(s.Action, "s3:DeleteObject")])
    error_message = "Nobody else deletes a blob."
  }
  assert {
    condition     = alltrue([for s in concat(local.compact_may, local.deliver_may, local.api_may, local.gateways_may) : !contains(s.Action, "dynamodb:DeleteItem") || !contains(s.Resource, module.storage.journal.arn)])
    error_message = "Nobody else trims a journal."
  }
  assert {
    condition     = local.settings.GODWIT_HISTORY_WINDOW == var.history_window
    error_message = "All must go by the same window."
  }
}

run "an_emulated_api_answers_at_the_endpoint" {
  variables {
    endpoint = "http://127.0.0.1:4566"
  }
  assert {
    condition     = output.api_url == "http://127.0.0.1:4566/_aws/execute-api/a1/godwit"
    error_message = "The URL must be the endpoint's."
  }
}

run "a_job_stays_hidden_while_its_function_may_run" {
  command = plan
  variables {
    deliver_timeout    = 300
    deliver_visibility = 299
  }
  expect_failures = [var.deliver_visibility]
}

run "names_that_make_no_bucket_or_queue_are_refused" {
  command = plan
  variables {
    name = "Mail_1"
  }
  expect_failures = [var.name]
}
