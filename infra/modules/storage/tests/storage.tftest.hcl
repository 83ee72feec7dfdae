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
    defaults = { arn = "arn:aws:s3:::mail-blobs" }
  }
}

variables {
  name                = "mail"
  bucket              = "mail-blobs"
  deletion_protection = true
  force_destroy       = false
  undelete_days       = 7
  key_deletion_days   = 30
}

run "mail_is_encrypted_and_can_be_had_back" {
  assert {
    condition     = aws_kms_key.service.enable_key_rotation
    error_message = "The key must rotate."
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.blobs.rule).apply_server_side_encryption_by_default).kms_master_key_id == aws_kms_key.service.arn
    error_message = "Blobs must be encrypted with the key of the service."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.blobs.rule).bucket_key_enabled
    error_message = "Without a key of the bucket, KMS is paid for each blob."
  }
  assert {
    condition = alltrue([for t in [aws_dynamodb_table.journal, aws_dynamodb_table.records] :
    one(t.server_side_encryption).kms_key_arn == aws_kms_key.service.arn])
    error_message = "Tables must be encrypted with the key of the service."
  }
  assert {
    condition = [for s in jsondecode(aws_kms_key.service.policy).Statement :
      s.Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] if s.Sid == "LogsOfTheService"
    ] == ["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/*/mail-*"]
    error_message = "CloudWatch must get the key for log groups of this service only."
  }
  assert {
    condition     = aws_dynamodb_table.journal.name == "mail-journal" && aws_dynamodb_table.records.name == "mail-records"
    error_message = "The twins look for NAME-journal and NAME-records."
  }
  assert {
    condition     = [aws_dynamodb_table.journal.hash_key, aws_dynamodb_table.journal.range_key] == ["p", "n"]
    error_message = "The journal's keys are p and n."
  }
  assert {
    condition     = { for a in aws_dynamodb_table.journal.attribute : a.name => a.type } == { p = "S", n = "N" }
    error_message = "The journal's keys are a string and a number."
  }
  assert {
    condition     = [aws_dynamodb_table.records.hash_key, aws_dynamodb_table.records.range_key] == ["s", "i"]
    error_message = "The records' keys are s and i."
  }
  assert {
    condition     = { for a in aws_dynamodb_table.records.attribute : a.name => a.type } == { s = "B", i = "B", x = "B", d = "N" }
    error_message = "The records' keys are binary, the time at which they are due is a number."
  }
  assert {
    condition = [for i in aws_dynamodb_table.records.global_secondary_index :
    [i.name, i.hash_key, i.range_key, i.projection_type]] == [["due", "x", "d", "KEYS_ONLY"]]
    error_message = "The index of what is due has keys only."
  }
  assert {
    condition     = one(aws_dynamodb_table.records.ttl).attribute_name == "t" && one(aws_dynamodb_table.records.ttl).enabled
    error_message = "Records expire by t."
  }
  assert {
    condition     = alltrue([for t in [aws_dynamodb_table.journal, aws_dynamodb_table.records] : one(t.point_in_time_recovery).enabled])
    error_message = "Tables must be kept for recovery to a point in time."
  }
  assert {
    condition     = aws_dynamodb_table.journal.deletion_protection_enabled && aws_dynamodb_table.records.deletion_protection_enabled
    error_message = "Tables must refuse to be deleted."
  }
  assert {
    condition     = one(aws_s3_bucket_versioning.blobs.versioning_configuration).status == "Enabled" && !aws_s3_bucket.blobs.force_destroy
    error_message = "A deleted blob must stay for some days, and the bucket while it holds mail."
  }
  assert {
    condition     = contains(flatten([for r in aws_s3_bucket_lifecycle_configuration.blobs.rule : [for v in r.noncurrent_version_expiration : v.noncurrent_days]]), 7)
    error_message = "A deleted blob must go after the days that were asked for."
  }
  assert {
    condition     = contains(flatten([for r in aws_s3_bucket_lifecycle_configuration.blobs.rule : [for v in r.abort_incomplete_multipart_upload : v.days_after_initiation]]), 1)
    error_message = "Uploads that nobody has ended must go after a day."
  }
}

run "an_emulated_service_can_be_destroyed" {
  variables {
    deletion_protection = false
    force_destroy       = true
  }
  assert {
    condition     = !aws_dynamodb_table.journal.deletion_protection_enabled && !aws_dynamodb_table.records.deletion_protection_enabled && aws_s3_bucket.blobs.force_destroy
    error_message = "The variables must let everything go."
  }
}
