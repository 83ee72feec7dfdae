# On a plan and on made-up parts: the emulated cloud has no SESv2.
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
  mock_resource "aws_sesv2_configuration_set" {
    defaults = { arn = "arn:aws:ses:eu-west-1:123456789012:configuration-set/mail" }
  }
  mock_resource "aws_sesv2_email_identity" {
    defaults = {
      arn                     = "arn:aws:ses:eu-west-1:123456789012:identity/example.org"
      dkim_signing_attributes = { tokens = ["t1", "t2", "t3"] }
    }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:mail-ses-events" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:mail-ses-events" }
  }
}

variables {
  name    = "mail"
  domains = ["example.org"]
}

run "what_becomes_of_mail_comes_to_the_queue" {
  assert {
    condition     = aws_sesv2_configuration_set_event_destination.service.event_destination[0].sns_destination[0].topic_arn == aws_sns_topic.events.arn && contains(aws_sesv2_configuration_set_event_destination.service.event_destination[0].matching_event_types, "BOUNCE") && contains(aws_sesv2_configuration_set_event_destination.service.event_destination[0].matching_event_types, "COMPLAINT")
    error_message = "SES must tell the topic of bounces and complaints."
  }
  assert {
    condition     = aws_sns_topic_subscription.events.endpoint == aws_sqs_queue.events.arn && aws_sns_topic_subscription.events.raw_message_delivery
    error_message = "The topic must tell the queue."
  }
}

run "nobody_else_may_tell" {
  assert {
    condition     = [for s in jsondecode(aws_sqs_queue.events.policy).Statement : s.Condition if s.Effect == "Allow"] == [{ ArnEquals = { "aws:SourceArn" = "arn:aws:sns:eu-west-1:123456789012:mail-ses-events" } }]
    error_message = "The queue takes from the topic alone."
  }
  assert {
    condition     = jsondecode(aws_sns_topic_policy.events.policy).Statement[0].Condition.StringEquals["AWS:SourceArn"] == "arn:aws:ses:eu-west-1:123456789012:configuration-set/mail"
    error_message = "The topic takes from the configuration set alone."
  }
}

run "each_domain_is_signed_for" {
  assert {
    condition     = output.records[0] == { type = "CNAME", name = "t1._domainkey.example.org", value = "t1.dkim.amazonses.com" } && length(output.records) == 3
    error_message = "SES's keys of each domain must be told."
  }
  assert {
    condition     = aws_sesv2_configuration_set.service.delivery_options[0].tls_policy == "REQUIRE"
    error_message = "Nothing is sent in the clear."
  }
}
