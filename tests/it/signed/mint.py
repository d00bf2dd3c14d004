"""Signed URLs as stock botocore mints them: reads a list of wishes in JSON, writes the URLs in JSON.

A wish has url, key (a PEM file), key_pair_id, hash, expires, and for a custom policy also resource, not_before, ip_address.
"""

import datetime
import json
import sys

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

HASHES = {"SHA1": hashes.SHA1, "SHA256": hashes.SHA256}


def moment(seconds):
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def mint(wish):
    with open(wish["key"], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), password=None)
    algorithm = HASHES[wish["hash"]]()

    def sign(message):
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(message, ec.ECDSA(algorithm))
        return key.sign(message, padding.PKCS1v15(), algorithm)

    signer = CloudFrontSigner(wish["key_pair_id"], sign)
    end = moment(wish["expires"])
    if wish.get("resource") is None:
        url = signer.generate_presigned_url(wish["url"], date_less_than=end)
    else:
        start = moment(wish.get("not_before"))
        policy = signer.build_policy(wish["resource"], end, start, wish.get("ip_address"))
        url = signer.generate_presigned_url(wish["url"], policy=policy)
    # botocore leaves this to its caller, as the AWS CLI does.
    return url + ("&Hash-Algorithm=SHA256" if wish["hash"] == "SHA256" else "")


json.dump([mint(wish) for wish in json.load(sys.stdin)], sys.stdout)
