//! Early: what the executable does instead of being a broker, decided before anything else starts.

use std::process::ExitCode;

/// Serves `logmill plugin componentize MODULE -o COMPONENT`; `None`: the arguments ask for
/// something else.
///
/// Call it first in `main`, with the process's own arguments (program name included).
pub fn early_main(arguments: impl IntoIterator<Item = String>) -> Option<ExitCode> {
    let arguments: Vec<String> = arguments.into_iter().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["plugin", "componentize", module, "-o", component] => componentize_file(module, component),
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    })
}

/// Reads the core module at `module`, writes the component to `component`; the error is a sentence.
pub fn componentize_file(module: &str, component: &str) -> Result<(), String> {
    let bytes = std::fs::read(module).map_err(|error| format!("{module}: {error}"))?;
    let encoded = super::componentize(&bytes).map_err(|error| format!("{module}: {error}"))?;
    std::fs::write(component, encoded).map_err(|error| format!("{component}: {error}"))
}
