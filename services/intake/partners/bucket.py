"""An S3-compatible bucket as a place for objects, for a city whose replicas share no disk.

It knows bytes and names; this module must never seal, read or judge what it keeps.
"""

from __future__ import annotations

from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict")
MISSING: Final = ("NoSuchKey", "404")


class Bucket:
    """Object `<prefix><group>/<name>`. Every failure of the line is an OSError, as with a folder; requests are tried
    three times, and written only where the name is free (`If-None-Match`), so that a repetition does no harm."""

    def __init__(self, bucket: str, prefix: str, *, endpoint: str, key: str, secret: str, region: str) -> None:
        self.bucket, self.prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint or None,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name=region,
            config=Config(
                s3={"addressing_style": "path"},
                connect_timeout=2,
                read_timeout=5,
                retries={"max_attempts": 3},
                max_pool_connections=20,
                # Checksums beyond the protocol's first edition are unknown to many compatible services; ours is GCM's.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def names(self, group: str) -> list[tuple[str, int]]:
        return sorted((key.rpartition("/")[2], size) for key, size in self._keys(group))

    def put(self, group: str, name: str, data: bytes) -> bool:
        key = f"{self.prefix}{group}/{name}"
        try:
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] in TAKEN:
                return False
            raise OSError("bucket refused") from None
        except BotoCoreError:
            raise OSError("bucket unreachable") from None
        return True

    def get(self, group: str, name: str) -> bytes:
        try:
            found = self._client.get_object(Bucket=self.bucket, Key=f"{self.prefix}{group}/{name}")
            data: bytes = found["Body"].read()
        except ClientError as error:
            missing = error.response["Error"]["Code"] in MISSING
            raise (FileNotFoundError if missing else OSError)("bucket refused") from None
        except BotoCoreError:
            raise OSError("bucket unreachable") from None
        return data

    def drop(self, group: str) -> None:
        for key, _ in self._keys(group):
            try:
                self._client.delete_object(Bucket=self.bucket, Key=key)
            except (ClientError, BotoCoreError):
                raise OSError("bucket refused") from None

    def _keys(self, group: str) -> list[tuple[str, int]]:
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}{group}/"
            )
            return [(item["Key"], item["Size"]) for page in pages for item in page.get("Contents", ())]
        except (ClientError, BotoCoreError):
            raise OSError("bucket unreachable") from None
