output "id" {
  description = "The API's id."
  value       = aws_api_gateway_rest_api.api.id
}

output "stage" {
  description = "Name of the stage that is deployed."
  value       = aws_api_gateway_stage.api.stage_name
}

output "url" {
  description = "The API's URL in AWS."
  value       = aws_api_gateway_stage.api.invoke_url
}
