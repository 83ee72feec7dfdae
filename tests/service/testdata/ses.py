# Works on SES and SQS of moto: sets them up, and puts an event into the queue.
import sys

import boto3

url, verb, *rest = sys.argv[1:]
keys = dict(endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
queue = boto3.client("sqs", **keys)
if verb == "setup":
    mail = boto3.client("sesv2", **keys)
    mail.create_email_identity(EmailIdentity="demo.test")
    mail.create_configuration_set(ConfigurationSetName="godwit")
    queue.create_queue(QueueName="ses-events")
elif verb == "event":
    address = queue.get_queue_url(QueueName="ses-events")["QueueUrl"]
    queue.send_message(QueueUrl=address, MessageBody=rest[0])
