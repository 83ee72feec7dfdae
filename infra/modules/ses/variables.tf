variable "name" {
  description = "The service's name; the configuration set's, too."
  type        = string
}

variable "domains" {
  description = "Domains for which SES sends. Each is signed by SES with a key of its own, whose records are an output."
  type        = set(string)
}
