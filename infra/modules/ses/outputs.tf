output "configuration_set" {
  description = "Name and ARN of the configuration set, which routes by SES name."
  value       = { name = aws_sesv2_configuration_set.service.configuration_set_name, arn = aws_sesv2_configuration_set.service.arn }
}

output "identities" {
  description = "ARNs of the domains for which SES sends."
  value       = [for d in aws_sesv2_email_identity.domain : d.arn]
}

output "events" {
  description = "Name and ARN of the queue of what becomes of mail."
  value       = { name = aws_sqs_queue.events.name, arn = aws_sqs_queue.events.arn }
}

output "records" {
  description = "What the domains need in the DNS so that SES signs for them, as modules/dns takes it."
  value = flatten([for domain, d in aws_sesv2_email_identity.domain : [for token in flatten(d.dkim_signing_attributes[*].tokens) : {
    type = "CNAME", name = "${token}._domainkey.${domain}", value = "${token}.dkim.amazonses.com"
  }]])
}
