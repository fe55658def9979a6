# The templates of ../cloudformation from Terraform: it hands them to CloudFormation, which does the work. Untested:
# neither Terraform nor AWS could be reached where this was written; a test holds its names against the templates.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  templates = "${path.module}/../cloudformation"
}

resource "aws_cloudformation_stack" "foundation" {
  # checkov:skip=CKV_AWS_124: Terraform waits for the stack and reports its errors itself.
  name          = "headwater"
  template_body = file("${local.templates}/foundation.yaml")
  parameters = {
    AlarmEmail = var.alarm_email
  }
}

resource "aws_cloudformation_stack" "delivery" {
  # checkov:skip=CKV_AWS_124: Terraform waits for the stack and reports its errors itself.
  name          = "headwater-${var.name}-delivery"
  template_body = file("${local.templates}/delivery.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  parameters = {
    KmsKeyArn     = aws_cloudformation_stack.foundation.outputs["KmsKeyArn"]
    AlarmTopicArn = aws_cloudformation_stack.foundation.outputs["AlarmTopicArn"]
  }
}

resource "aws_cloudformation_stack" "service" {
  # checkov:skip=CKV_AWS_124: Terraform waits for the stack and reports its errors itself.
  name          = "headwater-${var.name}"
  template_body = file("${local.templates}/service.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  parameters = {
    Name                    = var.name
    Image                   = var.image
    EcrRepositoryArn        = var.ecr_repository_arn
    ClusterArn              = aws_cloudformation_stack.foundation.outputs["ClusterArn"]
    VpcId                   = var.vpc_id
    SubnetIds               = join(",", var.subnet_ids)
    DatabaseHost            = var.database_host
    DatabaseSecurityGroupId = var.database_security_group_id
    PasswordSecretArn       = var.password_secret_arn
    Tables                  = join(",", var.tables)
    StreamName              = aws_cloudformation_stack.delivery.outputs["StreamName"]
    CheckpointTable         = aws_cloudformation_stack.foundation.outputs["CheckpointTable"]
    KmsKeyArn               = aws_cloudformation_stack.foundation.outputs["KmsKeyArn"]
    ExtraSettings           = var.extra_settings
  }
}

resource "aws_cloudformation_stack" "alarms" {
  # checkov:skip=CKV_AWS_124: Terraform waits for the stack and reports its errors itself.
  name          = "headwater-${var.name}-alarms"
  template_body = file("${local.templates}/alarms.yaml")
  parameters = {
    Name          = var.name
    AlarmTopicArn = aws_cloudformation_stack.foundation.outputs["AlarmTopicArn"]
  }
}

resource "aws_cloudformation_stack" "halts" {
  # checkov:skip=CKV_AWS_124: Terraform waits for the stack and reports its errors itself.
  name          = "headwater-${var.name}-halts"
  template_body = file("${local.templates}/halts.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  parameters = {
    Name           = var.name
    AlarmTopicArn  = aws_cloudformation_stack.foundation.outputs["AlarmTopicArn"]
    ClusterArn     = aws_cloudformation_stack.foundation.outputs["ClusterArn"]
    KmsKeyArn      = aws_cloudformation_stack.foundation.outputs["KmsKeyArn"]
    StopWhenHalted = tostring(var.stop_when_halted)
  }
}
