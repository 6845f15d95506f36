//! The one integration binary: whole-broker tests, and the rules of the repository itself.
<<<<<<< HEAD
mod bounds;
=======
mod answers;
>>>>>>> c134241 (Answers are Kafka's in the corners too, and errors of every API are counted)
mod broker_sim;
mod client;
mod clients;
mod contract;
mod crash;
mod demo;
mod goldens;
mod groups;
mod harness;
mod hostile;
mod layering;
mod log_files;
mod members;
mod operators;
mod plugin_host;
mod plugins_live;
mod process;
mod ring;
mod shards;
mod tidy;
