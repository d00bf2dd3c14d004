"""nginx-s3-gateway, as its checkout configures it.

Nothing of it is in this repository. The user names a checkout; what its Docker entry point and
the image's own do with its templates is done here in a directory, with the defaults of its
Dockerfile, and Debian's nginx and njs run it. Only these lines differ from the image's: paths,
the user, and an address to listen on, for which its server has an empty file to fill in.
"""

import os
import re
import subprocess
from pathlib import Path

import prepare
from servers import BUCKET, free_port

MODULES = Path("/usr/share/nginx/modules")
"""Where Debian's nginx looks for the modules that its configuration names."""
PACKAGES = "libnginx-mod-http-js libnginx-mod-http-xslt-filter"

DEFAULTS = {
    "PROXY_CACHE_MAX_SIZE": "10g",
    "PROXY_CACHE_INACTIVE": "60m",
    "PROXY_CACHE_SLICE_SIZE": "1m",
    "PROXY_CACHE_VALID_OK": "1h",
    "PROXY_CACHE_VALID_NOTFOUND": "1m",
    "PROXY_CACHE_VALID_FORBIDDEN": "30s",
    "CORS_ENABLED": "0",
    "CORS_ALLOWED_ORIGIN": "*",
    "CORS_ALLOW_PRIVATE_NETWORK_ACCESS": "",
    "LIMIT_METHODS_TO": "GET HEAD",
    "LIMIT_METHODS_TO_CSV": "GET, HEAD",
    "DIRECTORY_LISTING_PATH_PREFIX": "",
    "STRIP_LEADING_DIRECTORY_PATH": "",
    "PREFIX_LEADING_DIRECTORY_PATH": "",
    "ALLOW_DIRECTORY_LIST": "false",
    "PROVIDE_INDEX_PAGE": "false",
    "APPEND_SLASH_FOR_POSSIBLE_DIRECTORY": "false",
    "AWS_SIGS_VERSION": "4",
    "S3_REGION": "us-east-1",
    "S3_SERVER_PROTO": "http",
    "S3_STYLE": "path",
    "S3_BUCKET_NAME": BUCKET,
    "S3_SERVER": "127.0.0.1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    # Never asked, since the origin has an address and no name.
    "DNS_RESOLVERS": "127.0.0.1",
}


def start(servers, nginx, checkout, origin):
    """Start it in front of an origin; returns (port, process)."""
    need_modules()
    port = free_port()
    host = f"127.0.0.1:{origin}"
    environment = {
        **DEFAULTS, "S3_SERVER_PORT": str(origin), "S3_UPSTREAM": host, "S3_HOST_HEADER": host,
    }  # fmt: skip
    root = servers.directory / "gateway"
    try:
        configure(root, checkout, environment)
    except OSError as error:
        raise prepare.Missing(f"{checkout} is no checkout of it: {error}") from None
    (root / "conf.d/gateway/s3_server.conf").write_text(f"listen 127.0.0.1:{port};\n")
    command = [
        nginx, "-g", "daemon off;", "-c", root / "nginx.conf", "-e", servers.directory / "start.log",
    ]  # fmt: skip
    return port, servers.start("gateway", command, port, environment)


def need_modules():
    """Install what it loads, if root."""
    wanted = [MODULES / f"ngx_http_{name}_module.so" for name in ("js", "xslt_filter")]
    if not all(file.exists() for file in wanted):
        prepare.apt_install(PACKAGES)
    if not all(file.exists() for file in wanted):
        raise prepare.Missing(f"nginx has no njs or no XSLT: as root, apt-get install {PACKAGES}")


def configure(root, checkout, environment):
    """Lay out what the image has in /etc/nginx, its templates filled in."""
    for directory in ("conf.d", "include", "cache", "log"):
        (root / directory).mkdir(parents=True)
    for part in ("oss", "common"):
        home = checkout / part / "etc/nginx"
        templates = home / "templates"
        for kind, under in ((home / "include", "include"), (home / "conf.d", "conf.d")):
            for file in sorted(kind.rglob("*")):
                if file.is_file():
                    write(root / under / file.relative_to(kind), file.read_text(), root)
        for file in sorted(templates.rglob("*.template")):
            place = root / "conf.d" / file.relative_to(templates).with_suffix("")
            write(place, filled_in(file.read_text(), environment), root)
    main = (checkout / "common/etc/nginx/nginx.conf").read_text()
    main = re.sub(r"(?m)^user .*$", "user root;" if os.geteuid() == 0 else "", main)
    write(root / "nginx.conf", main, root)


def filled_in(text, environment):
    """What envsubst makes of a template: variables that are set are replaced, others stay."""
    return re.sub(
        r"\$\{(\w+)\}|\$(\w+)",
        lambda found: environment.get(found[1] or found[2], found[0]),
        text,
    )


def write(place, text, root):
    """Write one file of the configuration, with our paths for the image's."""
    for theirs, ours in (
        ("/etc/nginx/mime.types", "@MIME@"),
        ("/etc/nginx/", f"{root}/"),
        ("@MIME@", "/etc/nginx/mime.types"),
        ("/var/cache/nginx/", f"{root}/cache/"),
        ("/var/log/nginx/", f"{root}/log/"),
        ("/var/run/nginx.pid", f"{root}/nginx.pid"),
    ):
        text = text.replace(theirs, ours)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def version(checkout):
    """Which commit the checkout is at, as far as it knows."""
    command = ["git", "-C", str(checkout), "log", "-1", "--format=%h of %cs"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "a checkout without history"
    return f"checkout at {ended.stdout.strip()}"
