//! Messages of the management service over the overlay: the "service dedicated to the management" of paper §4.3.
//!
//! Questions about managed objects are resolver queries to [`HANDLER`]; records are pushed over a bidirectional pipe
//! (see [`pipe_id`]). Every message opens with a version, those that may grow end in an `Ext`, and kinds travel as
//! numbers. Every decode is bounded, and every message has its golden bytes in a test.

mod batch;
mod get;
mod manage;
mod notice;
mod push;
mod service;
mod terms;
mod value;

pub use batch::{BatchBuilder, DictionaryReader, DictionaryWriter, RecordBatch, SealedBatch};
pub use get::{BeanSnapshot, GetAnswer, GetRequest};
pub use manage::{Described, DescribedAttribute, DescribedOperation, ManageAnswer, ManageRequest};
pub use notice::{Notice, Said};
pub use push::{FromAgent, FromManager};
pub use service::{HANDLER, KEY_HANDLER, pipe_id};
pub use terms::Terms;
