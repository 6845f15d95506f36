//! Topics: created, and waited for.
//!
//! Owns: what "writable" means here: a leader for each partition in Metadata, and one record
//! accepted by the last one.
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failed;
use crate::batch::Batch;
use crate::connection::Connection;
use crate::wire::{self, Answer, Request};

const AGAIN_EVERY: Duration = Duration::from_millis(2);
const CREATE_TIMEOUT_MS: i32 = 120_000;
const RECORD_BYTES: usize = 100;

#[derive(clap::Args)]
pub struct Wait {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    /// Seconds until this gives up.
    #[arg(long, default_value_t = 300)]
    within: u64,
}

#[derive(clap::Args)]
pub struct Create {
    #[command(flatten)]
    wait: Wait,
    /// A setting of the topic, any number of times.
    #[arg(long = "config", value_name = "KEY=VALUE")]
    configs: Vec<String>,
}

impl Create {
    pub fn run(&self, port: u16) -> Result<Value, Failed> {
        let mut connection = Connection::open(port)?;
        let begin = Instant::now();
        let mut request = Request::new(19, 4, false);
        request.count(1).string(&self.wait.topic).int32(self.wait.partitions).int16(1).count(0);
        request.count(self.configs.len());
        for config in &self.configs {
            let (key, value) = config.split_once('=').ok_or("--config takes KEY=VALUE")?;
            request.string(key).string(value);
        }
        request.int32(CREATE_TIMEOUT_MS).int8(0);
        let mut answer = Answer::new(connection.call(&mut request)?, false)?;
        answer.int32()?;
        answer.count()?;
        answer.string()?;
        let error = answer.int16()?;
        if error != 0 {
            let message = String::from_utf8_lossy(answer.string()?).into_owned();
            return Err(format!("CreateTopics: error {error} {message}").into());
        }
        let answered_s = begin.elapsed().as_secs_f64();
        let mut line = self.wait.until_writable(&mut connection, begin)?;
        line["answered_s"] = json!(answered_s);
        Ok(line)
    }
}

impl Wait {
    pub fn run(&self, port: u16) -> Result<Value, Failed> {
        let begin = Instant::now();
        loop {
            let left = Duration::from_secs(self.within).saturating_sub(begin.elapsed());
            let mut connection = Connection::open_within(port, left)?;
            let connected_s = begin.elapsed().as_secs_f64();
            match self.until_writable(&mut connection, begin) {
                Ok(mut line) => {
                    line["connected_s"] = json!(connected_s);
                    return Ok(line);
                }
                Err(error) if self.is_over(begin) => return Err(error),
                // A broker that is still starting may take a connection and drop it.
                Err(_) => std::thread::sleep(AGAIN_EVERY),
            }
        }
    }

    fn is_over(&self, begin: Instant) -> bool {
        Duration::from_secs(self.within) < begin.elapsed()
    }

    fn until_writable(&self, connection: &mut Connection, begin: Instant) -> Result<Value, Failed> {
        let mut metadata = Request::new(3, 4, false);
        metadata.count(1).string(&self.topic).int8(0);
        let wanted = usize::try_from(self.partitions)?;
        loop {
            let led = wire::led(connection.call(&mut metadata)?)?;
            if led == wanted {
                break;
            }
            if self.is_over(begin) {
                return Err(format!("{led} of {wanted} partitions have a leader").into());
            }
            std::thread::sleep(AGAIN_EVERY);
        }
        let leaders_s = begin.elapsed().as_secs_f64();
        let batch = Batch::new(0, RECORD_BYTES)?;
        let mut request = Request(Vec::new());
        let last = self.partitions - 1;
        loop {
            wire::produce(&mut request, &self.topic, 1, [last].into_iter(), &batch.bytes);
            let mut error = 0;
            wire::produced(connection.call(&mut request)?, |_, code| error = code)?;
            if error == 0 {
                break;
            }
            if !wire::NOT_YET.contains(&error) || self.is_over(begin) {
                return Err(format!("Produce to partition {last}: error {error}").into());
            }
            std::thread::sleep(AGAIN_EVERY);
        }
        Ok(json!({ "leaders_s": leaders_s, "accepted_s": begin.elapsed().as_secs_f64() }))
    }
}
