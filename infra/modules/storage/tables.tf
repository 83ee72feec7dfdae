# One item an entry: p is the partition, n the entry's number.
resource "aws_dynamodb_table" "journal" {
  name                        = "${var.name}-journal"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "p"
  range_key                   = "n"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "p"
    type = "S"
  }
  attribute {
    name = "n"
    type = "N"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.service.arn
  }
}

# One item a record or counter: s is the space, i the id, t when it expires. What is due has
# x, the shard and space, and d, the time.
resource "aws_dynamodb_table" "records" {
  name                        = "${var.name}-records"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "s"
  range_key                   = "i"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "s"
    type = "B"
  }
  attribute {
    name = "i"
    type = "B"
  }
  attribute {
    name = "x"
    type = "B"
  }
  attribute {
    name = "d"
    type = "N"
  }
  global_secondary_index {
    name            = "due"
    hash_key        = "x"
    range_key       = "d"
    projection_type = "KEYS_ONLY"
  }
  ttl {
    enabled        = true
    attribute_name = "t"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.service.arn
  }
}
