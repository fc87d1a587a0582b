# Static images of the proxy, the controller and the command line tool, for amd64 and arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --target proxy      --tag REGISTRY/haldane-proxy:0.1.0 --push .
#   docker buildx build --platform linux/amd64,linux/arm64 --target controller --tag REGISTRY/haldane-controller:0.1.0 --push .
#
# The compiler always runs on the builder's own architecture, so no emulation is needed. Programs for that architecture are
# built by a profile (bench/pgo), which takes cores 0 and 1 and twice the time; those for the other one, or without these
# cores, are not.
FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /haldane

# A C compiler and make, since aws-lc and jemalloc are C, and the C library of the target. It is glibc, linked in as a whole: a
# request costs a quarter more of Haldane's own time with musl, which copies memory more slowly.
RUN case "$TARGETARCH" in \
        amd64) machine=x86_64 compiler="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
        arm64) machine=aarch64 compiler="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
        *) echo "no build for $TARGETARCH" >&2; exit 1 ;; \
    esac \
    && if [ "$TARGETARCH" = "$BUILDARCH" ]; then compiler="gcc libc6-dev"; fi \
    && apt-get update \
    && apt-get install --yes --no-install-recommends $compiler make ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$machine-unknown-linux-gnu" \
    && echo "$machine" > /machine

COPY . .
# Kernels for arm64 have pages of 4, 16 or 64 KiB; jemalloc serves those up to what it is built for.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/haldane/target \
    target="$(cat /machine)-unknown-linux-gnu" \
    && linker="$(echo "CARGO_TARGET_${target}_LINKER" | tr a-z- A-Z_)" \
    && export "$linker=$(cat /machine)-linux-gnu-gcc" RUSTFLAGS=-Ctarget-feature=+crt-static \
    && if [ "$TARGETARCH" = arm64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
    && if [ "$TARGETARCH" = "$BUILDARCH" ] && bench/pgo "$target"; then \
        programs=target/pgo/programs; \
    else \
        cargo build --release --locked --target "$target" \
            --package haldane --package haldane-proxy --package haldane-controller \
        && programs="target/$target/release"; \
    fi \
    && mkdir /programs \
    && cp "$programs/haldane" "$programs/haldane-proxy" "$programs/haldane-controller" /programs/

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
