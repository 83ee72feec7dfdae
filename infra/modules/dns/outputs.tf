output "names" {
  description = "The names that have got records."
  value       = sort(distinct([for r in aws_route53_record.record : r.name]))
}
