variable "name" {
  description = "The rule's name."
  type        = string
}

variable "expression" {
  description = "When the function is called, in EventBridge's words: rate(1 hour), or cron(...)."
  type        = string
}

variable "function_name" {
  description = "The function's name."
  type        = string
}

variable "function_arn" {
  description = "The function's ARN."
  type        = string
}
