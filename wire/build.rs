//! Compiles the protocol with protox, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["haldane/push/v1/push.proto"], ["proto"])?;
    println!("cargo::rerun-if-changed=proto");
    // `Bytes` is shared where `Vec<u8>` is copied: an object is encoded once for all proxies.
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
