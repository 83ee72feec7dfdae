variable "zone" {
  description = "Id of the hosted zone of Route 53 that the names are in."
  type        = string
}

variable "records" {
  description = "What a domain needs, as 'godwit domain dns DOMAIN --output json' prints it."
  type = list(object({
    type  = string
    name  = string
    value = string
  }))
}

variable "ttl" {
  description = "Seconds for which others may remember a record."
  type        = number
  default     = 3600
}
