//! Journeys: the real programs over real sockets on loopback, one file for each promise.
//!
//! Nothing is mocked and nothing sleeps: each step waits for an event, and a promise about time is that wait's deadline.

mod accounting;
mod aggregators;
mod bad_input;
mod chat_and_collect;
mod command_lines;
mod csv_records;
mod dashboards;
mod demo;
mod examples;
mod footprint;
mod load;
mod manage;
mod mgmt_answers;
mod one_directory;
mod one_minute_chat;
mod one_shot;
mod peaks;
mod peaks_connecting;
mod peaks_told;
mod polite_end;
mod rendezvous_ready;
mod serve;
mod serve_closed;
mod serve_history;
mod serve_standing;
mod store;
