//! Faults on the way between a Kafka client and its brokers, on purpose: a TCP proxy that knows requests and
//! replies by their API.
//!
//! Enters: what a client and its brokers say to one another, frame by frame. Leaves: the same, but for the
//! frames that a [`Rule`] names: these are delayed, held until they are released, dropped, or their
//! connection is cut. Addresses of brokers in replies are made the proxy's own, so that whoever starts at
//! the proxy stays on it. Nothing else is changed; no TLS.
//!
//! ```
//! use wellstream_replay::faults::{Action, Api, Direction, Proxy, Rule};
//!
//! let proxy = Proxy::start("127.0.0.1:9092")?; // no broker need be there yet
//! let rules = proxy.faults();
//! // The third reply to a commit of offsets never comes.
//! let lost = rules.add(Rule::nth(Api::OFFSET_COMMIT, Direction::Reply, 3, Action::Drop));
//! assert_eq!(rules.fired(lost), 0);
//! assert_eq!(rules.frames(Api::OFFSET_COMMIT, Direction::Reply), 0);
//! assert_ne!(proxy.address(), "127.0.0.1:9092");
//! # Ok::<(), wellstream_replay::faults::ProxyError>(())
//! ```

mod api;
mod rule;
mod control;
mod frame;
mod rewrite;
mod transaction;
mod link;
mod proxy;

pub use api::Api;
pub use control::{Faults, RuleId};
pub use proxy::{Proxy, ProxyError};
pub use rule::{Action, Direction, Rule, When};
