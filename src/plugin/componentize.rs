//! Componentize: makes a component of the core module that a compiler of guests produces.
//!
//! Owns: the last step of a plugin's build, for `logmill plugin componentize` and `plugins/build`.
//! Leaves to others: whether the component may be installed (`inspect`).

use wit_component::ComponentEncoder;

/// Why no component could be made; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    #[error("this is already a component: install it as it is with `logmill plugin install`")]
    AlreadyComponent,
    #[error(
        "this is no WebAssembly module: give the .wasm file that the compiler wrote for \
         wasm32-unknown-unknown"
    )]
    NotAModule,
    #[error(
        "the module imports `{module}`: build it for wasm32-unknown-unknown, which has no WASI"
    )]
    Wasi { module: String },
    #[error("the module does not carry a world of logmill:plugin: {0}")]
    Encode(String),
}

/// Makes a component of `module`, whose custom sections (written by wit-bindgen) name its world.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    match module.get(..8) {
        Some(b"\0asm\x01\0\0\0") => {}
        Some(b"\0asm\x0d\0\x01\0") => return Err(ComponentizeError::AlreadyComponent),
        _ => return Err(ComponentizeError::NotAModule),
    }
    let encoder = ComponentEncoder::default().validate(true).module(module);
    let encoded = encoder.and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| {
        let text = format!("{error:#}");
        if text.contains("wasi_snapshot_preview1") {
            return ComponentizeError::Wasi { module: "wasi_snapshot_preview1".into() };
        }
        ComponentizeError::Encode(text.replace('\n', " "))
    })
}
