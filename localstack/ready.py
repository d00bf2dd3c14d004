"""Exit code 0 once LocalStack is up and every init script has run well; 1 while not yet, 2 when a script failed.

LocalStack's own health answers before the scripts have run, and its READY turns true even when one of them failed.

Usage: python3 ready.py [http://127.0.0.1:4566]
"""

import json
import sys
import urllib.request

endpoint = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4566"
# Without the proxies that the environment may name: the address is this machine's own.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(f"{endpoint}/_localstack/init", timeout=5) as answer:
        state = json.load(answer)
except (OSError, ValueError) as error:
    sys.exit(f"LocalStack at {endpoint} does not answer yet: {error}")

scripts = [script for script in state["scripts"] if script["stage"] == "READY"]
failed = [script["name"] for script in scripts if script["state"] == "ERROR"]
if failed:
    print(f"init scripts failed: {', '.join(failed)}", file=sys.stderr)
    sys.exit(2)
if not (state["completed"]["READY"] and scripts and all(script["state"] == "SUCCESSFUL" for script in scripts)):
    sys.exit("LocalStack's init scripts have not all run yet")
