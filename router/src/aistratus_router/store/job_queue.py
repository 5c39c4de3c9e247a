"""The queue from the router to the workers: FIFO, with several groups per user."""

from typing import TYPE_CHECKING

from aistratus_contracts.job import QueueMessage, encode_queue_message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class JobQueue:
    """`jobs.fifo`."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, job_id: str, group: str, deduplication_id: str) -> None:
        """Send a job's id; SQS drops a repeated deduplication id within five minutes."""
        self.forward(encode_queue_message(QueueMessage(job_id)), group, deduplication_id)

    def forward(self, body: str, group: str, deduplication_id: str) -> None:
        """Send a message unchanged, even one that only another release can read."""
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=deduplication_id,
        )
