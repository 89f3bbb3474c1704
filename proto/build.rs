//! Compiles the contracts without a system protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["millrace/v1/home.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
