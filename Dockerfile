# Static images of the proxy, the controller and the command line tool, for amd64 and arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --target proxy      --tag REGISTRY/haldane-proxy:0.1.0 --push .
#   docker buildx build --platform linux/amd64,linux/arm64 --target controller --tag REGISTRY/haldane-controller:0.1.0 --push .
#
# The compiler always runs on the builder's own architecture, so no emulation is needed.
FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /haldane

# A C compiler and musl for the target: aws-lc and mimalloc are C. musl-dev brings MACHINE-linux-musl-gcc.
RUN case "$TARGETARCH" in \
        amd64) machine=x86_64 compiler=gcc-x86-64-linux-gnu ;; \
        arm64) machine=aarch64 compiler=gcc-aarch64-linux-gnu ;; \
        *) echo "no build for $TARGETARCH" >&2; exit 1 ;; \
    esac \
    && if [ "$TARGETARCH" = "$BUILDARCH" ]; then compiler="gcc libc6-dev"; fi \
    && dpkg --add-architecture "$TARGETARCH" \
    && apt-get update \
    && apt-get install --yes --no-install-recommends $compiler ca-certificates "musl-dev:$TARGETARCH" \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$machine-unknown-linux-musl" \
    && echo "$machine" > /machine

COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/haldane/target \
    machine="$(cat /machine)" \
    && linker="$(echo "CARGO_TARGET_${machine}_UNKNOWN_LINUX_MUSL_LINKER" | tr a-z A-Z)" \
    && env "$linker=$machine-linux-musl-gcc" cargo build --release --locked \
        --target "$machine-unknown-linux-musl" \
        --package haldane --package haldane-proxy --package haldane-controller \
    && mkdir /programs \
    && cd "target/$machine-unknown-linux-musl/release" \
    && cp haldane haldane-proxy haldane-controller /programs/

# Nothing but one program and the certificate authorities that it checks backends against.
FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532

FROM base AS proxy
COPY --from=build /programs/haldane-proxy /haldane-proxy
ENTRYPOINT ["/haldane-proxy"]

FROM base AS controller
COPY --from=build /programs/haldane-controller /haldane-controller
ENTRYPOINT ["/haldane-controller"]

FROM base AS cli
COPY --from=build /programs/haldane /haldane
ENTRYPOINT ["/haldane"]
