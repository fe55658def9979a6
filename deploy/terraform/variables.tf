variable "name" {
  description = "The pipeline's name, for example shop."
  type        = string
}

variable "image" {
  description = "Headwater's image, best by digest."
  type        = string
}

variable "ecr_repository_arn" {
  description = "The image's repository, where it is a private one of ECR."
  type        = string
  default     = ""
}

variable "vpc_id" {
  description = "The VPC from which the source can be reached."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of two zones, with a way to AWS's services by NAT or by VPC endpoints."
  type        = list(string)
}

variable "database_host" {
  description = "The host name of the source."
  type        = string
}

variable "database_security_group_id" {
  description = "The source's security group, which is then opened for the tasks; empty leaves that to you."
  type        = string
  default     = ""
}

variable "password_secret_arn" {
  description = "The secret in Secrets Manager that holds the password, as JSON with the key password."
  type        = string
}

variable "tables" {
  description = "source.tables."
  type        = list(string)
  default     = ["*.*"]
}

variable "extra_settings" {
  description = "More settings as TOML, keys written with dots, each on a line of its own."
  type        = string
  default     = ""
}

variable "alarm_email" {
  description = "Who gets alarms; empty subscribes nobody."
  type        = string
  default     = ""
}

variable "stop_when_halted" {
  description = "Whether the service is stopped when its tasks halt again and again and none streams."
  type        = bool
  default     = true
}
