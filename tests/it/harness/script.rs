//! A program that runs beside the test and speaks in lines.
//!
//! Owns: its start, its lines, the time a test waits for one.
//! Leaves to others: what the lines mean.
//! Invariant: it ends when it is dropped.
//! Start reading at: [`Script::line`].
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const A_MOMENT: Duration = Duration::from_millis(20);
const LINE_WITHIN: Duration = Duration::from_secs(90);

/// A running program.
pub struct Script {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    what: String,
}

impl Script {
    pub fn start(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let input = child.stdin.take();
        let output = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, input, lines, what }
    }

    /// The next line that it prints; fails when it ends or none comes.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.lines.recv_timeout(LINE_WITHIN).unwrap_or_else(|_| {
            let status = self.child.try_wait().expect("our child");
            panic!("{}: says no more, status {status:?}", self.what)
        })
    }

    /// A line that is there already.
    pub fn line_now(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// A line that is there already or comes within a moment.
    pub fn line_soon(&mut self) -> Option<String> {
        self.lines.recv_timeout(A_MOMENT).ok()
    }

    #[track_caller]
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.what));
    }

    /// Closes its input, which tells our programs to finish.
    pub fn close_input(&mut self) {
        self.input = None;
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
