locals {
  # Records of one name and type are one in Route 53.
  sets = { for r in var.records : "${r.type} ${lower(r.name)}" => r... }
}

# What is there already, and isn't Terraform's, is not overwritten: the first apply fails, and
# whoever runs it decides.
resource "aws_route53_record" "record" {
  for_each = local.sets
  zone_id  = var.zone
  name     = each.value[0].name
  type     = each.value[0].type
  ttl      = var.ttl

  # A string of a TXT record has at most 255 octets; resolvers join them.
  records = [for r in each.value : r.type == "TXT" ? join("\"\"", regexall(".{1,255}", r.value)) : r.value]
}
