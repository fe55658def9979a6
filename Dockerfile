# The image of Headwater: one binary, no shell needed, not root.
#   docker build -t headwater .
#   docker run --rm -v $PWD/headwater.toml:/etc/headwater/headwater.toml:ro -v headwater:/var/lib/headwater headwater
# Needs BuildKit (the default since Docker 23) for the cache of dependencies.

FROM rust:1.95-slim-trixie AS builder
# The TLS library is C and assembler.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# What is compiled survives in the cache between builds; only what changed is built again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release --package headwater --bin headwater \
    && install -D -m 0755 target/release/headwater /out/usr/local/bin/headwater \
    && install -D -m 0644 LICENSE /out/usr/share/doc/headwater/LICENSE \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt \
    && install -d -m 0750 -o 65532 -g 65532 /out/var/lib/headwater

FROM debian:trixie-slim
COPY --from=builder /out/ /
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
