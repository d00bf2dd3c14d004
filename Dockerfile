# Needs a builder that skips unused stages and mounts caches: Docker from 23 on, or buildah.

# Everything in the image but the program. It stands first so that `--target prebuilt` needs neither a compiler nor its image.
FROM debian:12-slim AS runtime
# Unpinned on purpose: the newest root certificates of Debian 12 are the right ones, and older versions leave the mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
# Inside a container loopback is reachable from nowhere else, so both listeners take every address.
ENV S3REEL_LISTEN=0.0.0.0:8080 \
    S3REEL_ADMIN_LISTEN=0.0.0.0:9091
EXPOSE 8080 9091
# By number: Kubernetes' runAsNonRoot cannot check a name.
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/s3reel", "health"]
ENTRYPOINT ["/usr/local/bin/s3reel"]
CMD ["serve"]

# A program that was built elsewhere for the same system, put beside nothing else in the build context:
#   cp target/release/s3reel CONTEXT/ && docker build --target prebuilt --file Dockerfile CONTEXT
FROM runtime AS prebuilt
COPY s3reel /usr/local/bin/s3reel

FROM rust:1.95-bookworm AS build
WORKDIR /s3reel
COPY . .
# The caches hold what cargo downloaded and compiled, so after a change only the changed crate is built again.
# They are not part of any layer: the program has to be copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/s3reel/target \
    cargo build --locked --release && cp target/release/s3reel /usr/local/bin/s3reel

FROM runtime
COPY --from=build /usr/local/bin/s3reel /usr/local/bin/s3reel
