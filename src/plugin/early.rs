//! Early: what the executable does instead of being a broker, decided before anything else starts.
use std::process::ExitCode;

use crate::plugin::cache::{CHILD_ARGUMENT, compile_child_main};

/// Serves the hidden argument of the child that compiles a plugin; `None`: this is no such child.
///
/// Call it first in `main`, with the process's own arguments (program name included).
pub fn early_main(arguments: impl IntoIterator<Item = String>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != CHILD_ARGUMENT {
        return None;
    }
    let arguments: Vec<String> = arguments.collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Some(match compile_child_main(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    })
}
