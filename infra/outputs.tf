output "name" {
  description = "The service's name (GODWIT_AWS_NAME)."
  value       = var.name
}

output "region" {
  description = "The region (AWS_REGION)."
  value       = var.region
}

output "endpoint" {
  description = "URL of the emulated AWS (AWS_ENDPOINT_URL); empty: AWS."
  value       = var.endpoint
}

output "bucket" {
  description = "The bucket of blobs (GODWIT_AWS_BUCKET)."
  value       = module.storage.bucket.name
}

output "key" {
  description = "ARN of the key that encrypts blobs, tables and logs (GODWIT_AWS_KEY)."
  value       = module.storage.key_arn
}

output "journal_table" {
  description = "The table of entries."
  value       = module.storage.journal.name
}

output "records_table" {
  description = "The table of records."
  value       = module.storage.records.name
}

output "deliver_queue" {
  description = "The queue of jobs."
  value       = module.queues.jobs.name
}

output "dead_queue" {
  description = "The queue of jobs that took their function down."
  value       = module.queues.dead.name
}

output "deliver_function" {
  description = "The function that delivers."
  value       = module.deliver.name
}

output "outbound_queue" {
  description = "The queue of mail to other hosts."
  value       = module.outbound.jobs.name
}

output "outbound_function" {
  description = "The function that sends it."
  value       = module.send.name
}

output "outbound_schedule" {
  description = "The rule of EventBridge that calls it."
  value       = module.send_schedule.name
}

output "egress_queue" {
  description = "The queue of mail that 'godwit gateway egress' brings to other hosts."
  value       = module.egress.jobs.name
}

output "sending" {
  description = "The settings of sending, as variables of the environment."
  value       = local.sending
}

output "ses_records" {
  description = "What SES needs in the DNS of its domains to sign for them, as a list of type, name and value."
  value       = flatten([for ses in module.ses : ses.records])
}

output "compact_queue" {
  description = "The queue of accounts to be compacted."
  value       = module.compactions.jobs.name
}

output "compact_function" {
  description = "The function that compacts accounts."
  value       = module.compact.name
}

output "sweep_function" {
  description = "The function that removes what nobody can ask for any more."
  value       = module.sweep.name
}

output "sweep_schedule" {
  description = "The rule of EventBridge that calls it."
  value       = module.sweep_schedule.name
}

output "api_function" {
  description = "The function that answers the API's requests."
  value       = module.answer.name
}

output "api_url" {
  description = "Where the API answers."
  value       = var.endpoint == "" ? module.api.url : "${var.endpoint}/_aws/execute-api/${module.api.id}/${module.api.stage}"
}

output "egress_policy" {
  description = "ARN of the policy that the role of gateways needs besides where they are an egress."
  value       = aws_iam_policy.egress.arn
}

output "gateways_policy" {
  description = "ARN of the policy for the role of gateways."
  value       = aws_iam_policy.gateways.arn
}
