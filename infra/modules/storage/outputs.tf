output "bucket" {
  description = "Name and ARN of the bucket of blobs."
  value       = { name = aws_s3_bucket.blobs.id, arn = aws_s3_bucket.blobs.arn }
}

output "journal" {
  description = "Name and ARN of the table of entries."
  value       = { name = aws_dynamodb_table.journal.name, arn = aws_dynamodb_table.journal.arn }
}

output "records" {
  description = "Name and ARN of the table of records."
  value       = { name = aws_dynamodb_table.records.name, arn = aws_dynamodb_table.records.arn }
}

output "key_arn" {
  description = "ARN of the key that encrypts all of it."
  value       = aws_kms_key.service.arn
}
