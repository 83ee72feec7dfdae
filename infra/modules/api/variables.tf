variable "name" {
  description = "The API's name."
  type        = string
}

variable "function_name" {
  description = "Name of the function that answers."
  type        = string
}

variable "function_invoke_arn" {
  description = "The ARN by which that function is called."
  type        = string
}

variable "rate" {
  description = "Requests a second that are let through."
  type        = number
}

variable "burst" {
  description = "Requests that are let through at once."
  type        = number
}

variable "log_days" {
  description = "Days for which the log of requests is kept."
  type        = number
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the log."
  type        = string
}

variable "account_log_role" {
  description = "Whether this deployment sets the role by which API Gateway writes the logs of all APIs of the account in this region. False where another has set it."
  type        = bool
}
