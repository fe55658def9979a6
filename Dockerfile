# The image of Headwater: one binary and what it is linked to, no shell, not root.
#   docker build -t headwater .
#   docker run --rm -v $PWD/headwater.toml:/etc/headwater/headwater.toml:ro -v headwater:/var/lib/headwater headwater
# Needs BuildKit (the default since Docker 23) for the cache of dependencies. By digest, for other architectures, with
# a bill of materials: docs/image.md.
ARG RUST_IMAGE=rust:1.95-slim-trixie

FROM ${RUST_IMAGE} AS builder
# What the bill of materials is made from: Cargo.lock is here, the files of the image are unnamed.
ARG BUILDKIT_SBOM_SCAN_STAGE=true
# The TLS library is C and assembler.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# What is compiled survives in the cache between builds, one for each architecture; only what changed is built again.
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-${TARGETARCH},target=/build/target \
    cargo build --locked --release --package headwater --bin headwater \
    && scripts/image-files target/release/headwater /out

FROM scratch
COPY --from=builder /out/ /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Headwater" \
    org.opencontainers.image.description="MySQL's binary log to Kinesis and Firehose, in order, with nothing lost" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
# Within a container the loopback address reaches nobody.
ENV HEADWATER__TELEMETRY__LISTEN=0.0.0.0:9464
# One heap for all threads: with many busy tables the allocator's own of each thread would hold twice the memory.
ENV MALLOC_ARENA_MAX=1
# The checkpoint's place, with its default name: mount a volume here.
WORKDIR /var/lib/headwater
USER 65532:65532
EXPOSE 9464
STOPSIGNAL SIGTERM
# Where the probes are served is all that it must know; ECS and Kubernetes have checks of their own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/headwater", "health"]
ENTRYPOINT ["/usr/local/bin/headwater"]
CMD ["run", "-c", "/etc/headwater/headwater.toml"]
