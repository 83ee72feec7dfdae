mock_provider "aws" {}

variables {
  zone = "Z0123456789"
  # As the command prints it, with what is only for people.
  records = [
    { type = "MX", name = "example.org", value = "10 mail.example.net.", for = "mail for the domain comes here", found = false },
    { type = "TXT", name = "example.org", value = "v=spf1 a:mail.example.net -all", for = "SPF", found = false },
    { type = "TXT", name = "Example.org", value = "owner=us", for = "another", found = true },
    { type = "TXT", name = "gw202611r._domainkey.example.org", value = "v=DKIM1; k=rsa; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABBBB", for = "DKIM", found = false },
    { type = "SRV", name = "_imaps._tcp.example.org", value = "0 1 993 mail.example.net.", for = "mail programs find the server", found = false },
  ]
}

run "a_name_and_type_is_one_record" {
  assert {
    condition     = length(aws_route53_record.record) == 4 && aws_route53_record.record["TXT example.org"].records == toset(["v=spf1 a:mail.example.net -all", "owner=us"])
    error_message = "All values of a name and type must be in one record."
  }
  assert {
    condition     = aws_route53_record.record["MX example.org"].records == toset(["10 mail.example.net."]) && aws_route53_record.record["SRV _imaps._tcp.example.org"].records == toset(["0 1 993 mail.example.net."])
    error_message = "Values must be as they are."
  }
  assert {
    condition     = alltrue([for r in aws_route53_record.record : r.zone_id == "Z0123456789" && r.ttl == 3600])
    error_message = "All are in the zone."
  }
}

run "a_long_text_is_of_strings_of_255_octets" {
  assert {
    condition     = alltrue([for s in split("\"\"", one(aws_route53_record.record["TXT gw202611r._domainkey.example.org"].records)) : length(s) <= 255])
    error_message = "No string may be longer."
  }
  assert {
    condition     = replace(one(aws_route53_record.record["TXT gw202611r._domainkey.example.org"].records), "\"\"", "") == var.records[3].value
    error_message = "Together they are the value."
  }
}

run "what_is_there_is_not_overwritten" {
  assert {
    condition     = alltrue([for r in aws_route53_record.record : r.allow_overwrite != true])
    error_message = "Somebody else's records must stay."
  }
}
