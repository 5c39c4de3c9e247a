"""Functions for the gateway to run in its environments; what they do is in the request's path."""

import os
import signal
import time
from collections.abc import Mapping
from typing import Any


def handler(event: Mapping[str, Any], context: Any) -> Any:
    """Echoes, or does what the path says."""
    match event.get("rawPath"):
        case "/pid":
            return {"statusCode": 200, "body": str(os.getpid())}
        case "/sleep":
            time.sleep(float(event["rawQueryString"]))
            return {"statusCode": 200, "body": str(os.getpid())}
        case "/raise":
            raise RuntimeError("a secret detail")
        case "/crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "/context":
            return {
                "function": context.function_name,
                "request": context.aws_request_id,
                "left": context.get_remaining_time_in_millis(),
                "arn": context.invoked_function_arn,
            }
        case "/cors":
            headers = {"Access-Control-Allow-Origin": "*", "X-Own": "1"}
            return {"statusCode": 200, "headers": headers, "body": "x"}
        case "/malformed":
            return {"statusCode": "many"}
        case "/binary":
            return {
                "statusCode": 201,
                "headers": {"Content-Type": "application/octet-stream", "X-Number": 7},
                "cookies": ["a=1", "b=2; HttpOnly"],
                "body": "AP8=",
                "isBase64Encoded": True,
            }
        case "/large":
            return {"statusCode": 200, "body": "x" * (7 * 1024 * 1024)}
    return {"event": event}
