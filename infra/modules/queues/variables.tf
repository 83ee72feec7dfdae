variable "name" {
  description = "Begins the name of each queue."
  type        = string
}

variable "queue" {
  description = "The queue's own name, after the service's: deliver or compact."
  type        = string
}

variable "visibility" {
  description = "Seconds for which a job that was handed out is hidden: at least the time-out of the function that gets it."
  type        = number
}
