"""Creates the bucket and uploads the sample media as soon as LocalStack serves S3.

LocalStack runs this inside its own interpreter, in the container as well as under tests/localstack, so boto3 is always there.
An exception is the only failure that LocalStack notices: it marks the script as ERROR, and localstack/ready.py reports that.

S3REEL_INIT_BUCKET  name of the bucket, default "media"
S3REEL_MEDIA_DIR    folder to upload, default localstack/media
"""

import mimetypes
import os
from pathlib import Path

import boto3
from botocore.config import Config
from localstack import config

bucket = os.environ.get("S3REEL_INIT_BUCKET", "media")
# LocalStack executes the text of this file, so there is no __file__. The folder beside its init folder is /etc/localstack/media
# in the container and, as tests/localstack links the init folder, localstack/media of the checkout everywhere else.
media = Path(os.environ.get("S3REEL_MEDIA_DIR") or Path(config.dirs.init).resolve().parent / "media")

# Python's own table without the system's, so that every machine stores the same types.
types = mimetypes.MimeTypes(filenames=())
for extension, media_type in {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mkv": "video/x-matroska",
    ".vtt": "text/vtt",
}.items():
    types.add_type(media_type, extension)

s3 = boto3.client(
    "s3",
    endpoint_url=config.internal_service_url(),
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(s3={"addressing_style": "path"}),
)
s3.create_bucket(Bucket=bucket)

files = sorted(path for path in media.rglob("*") if path.is_file() and not path.name.startswith("."))
if not files:
    raise FileNotFoundError(f"no media to upload in {media}")
for path in files:
    key = path.relative_to(media).as_posix()
    content_type = types.guess_type(path.name)[0] or "application/octet-stream"
    s3.upload_file(str(path), bucket, key, ExtraArgs={"ContentType": content_type})
    print(f"s3://{bucket}/{key}  {content_type}  {path.stat().st_size} bytes")
