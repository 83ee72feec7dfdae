variable "name" {
  description = "The function's name."
  type        = string
}

variable "zip" {
  description = "Path of the zip that holds the function's bootstrap."
  type        = string
}

variable "architecture" {
  description = "What the bootstrap is built for, in Go's words: arm64 or amd64."
  type        = string
  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "An architecture is arm64 or amd64."
  }
}

variable "timeout" {
  description = "Seconds that one call may take."
  type        = number
}

variable "memory" {
  description = "Megabytes of memory; processors are given in proportion."
  type        = number
}

variable "environment" {
  description = "The function's settings. None is a secret."
  type        = map(string)
}

variable "statements" {
  description = "What the function may do, beside writing its log."
  type = list(object({
    Sid       = string
    Effect    = string
    Action    = list(string)
    Resource  = list(string)
    Condition = optional(map(map(string)))
  }))
}

variable "sources" {
  description = "Queues that the function gets jobs from, by a name: how many jobs at once, and to how many copies of the function (2 to 1,000)."
  type = map(object({
    queue       = string
    batch       = number
    concurrency = number
  }))
  default = {}
}

variable "reserved_concurrency" {
  description = "How many copies of the function are kept free for it, which is also the most that run; -1: what the account has."
  type        = number
}

variable "log_days" {
  description = "Days for which the log is kept."
  type        = number
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the log."
  type        = string
}
