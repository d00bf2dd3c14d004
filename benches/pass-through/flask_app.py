"""The peer that s3reel is meant to replace: Flask + boto3, streaming with iter_chunks."""

import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from flask import Flask, Response, request

app = Flask(__name__)
bucket = os.environ["BENCH_BUCKET"]
s3 = boto3.client("s3", config=Config(max_pool_connections=64, s3={"addressing_style": "path"}))


@app.get("/<path:key>")
def media(key):
    """Stream one object, or the one range that was asked for."""
    wanted = request.headers.get("Range")
    try:
        found = s3.get_object(Bucket=bucket, Key=key, **({"Range": wanted} if wanted else {}))
    except ClientError as error:
        return Response(status=error.response["ResponseMetadata"]["HTTPStatusCode"])
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(found["ContentLength"]),
        "Content-Type": found["ContentType"],
        "ETag": found["ETag"],
    }
    if "ContentRange" in found:
        headers["Content-Range"] = found["ContentRange"]
    answer = Response(
        found["Body"].iter_chunks(64 * 1024),
        status=found["ResponseMetadata"]["HTTPStatusCode"],
        headers=headers,
    )
    answer.call_on_close(found["Body"].close)
    return answer
