//! `logmill plugin componentize`: a core module becomes a component, without a broker.
//!
//! Owns: reading, encoding, writing whole or not at all. Leaves to others: checking that the
//! component is a plugin (the broker does, at install).
use std::path::Path;

use wit_component::ComponentEncoder;

use crate::server::cli::CliError;

const WASM_MAGIC: &[u8] = b"\0asm";
/// What follows the magic number: version 1 of a module, layer 1 of a component.
const COMPONENT_LAYER: &[u8] = &[0x0d, 0, 1, 0];

/// Encodes `module` and writes the component to `output`.
pub(super) fn run(module: &Path, output: &Path) -> Result<(), CliError> {
    let failed = |what, path: &Path| {
        let path = path.display().to_string();
        move |source| CliError::File { what, path, source }
    };
    let bytes = std::fs::read(module).map_err(failed("read", module))?;
    let component = encode(&bytes)
        .map_err(|reason| CliError::Component(format!("{}: {reason}", module.display())))?;
    let fresh = output.with_added_extension("new");
    std::fs::write(&fresh, component).map_err(failed("write", &fresh))?;
    std::fs::rename(&fresh, output).map_err(failed("write", output))
}

/// The component around one module, or a sentence that says what to do.
pub(super) fn encode(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(WASM_MAGIC) {
        return Err("this is not a WebAssembly module; give the .wasm file that the compiler \
                    wrote."
            .to_owned());
    }
    if bytes[WASM_MAGIC.len()..].starts_with(COMPONENT_LAYER) {
        return Err("this is a component already; install it as it is.".to_owned());
    }
    let encoder = ComponentEncoder::default().validate(true).module(bytes);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| {
        let reason = format!("{error:#}").replace('\n', " ");
        if reason.contains("wasi") {
            return format!(
                "it imports WASI, which the broker does not offer; build it for \
                 wasm32-unknown-unknown, or stub WASI ({reason})."
            );
        }
        format!("it cannot be made a component; build it with Logmill's bindings ({reason}).")
    })
}
