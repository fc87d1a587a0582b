//! Webhooks: what a rollout tells to chats and programs, and the gates that it asks before a step.
//!
//! Where to call, and with what credentials, stands in a Secret ([`Hook`]). Telling never waits ([`Webhooks::tell`]): each
//! hook has a short queue of its own, in order, so that one that is slow or dead costs nobody else anything. A gate is
//! asked in the background, too ([`Gates::look`]).
//!
//! Whoever may write a Secret chooses an address that the controller then calls, so nothing of an answer but its status is
//! looked at or repeated, redirects are not followed, and addresses of the controller's own machine are refused ([`Reach`]).

mod call;
#[cfg(test)]
mod fake;
mod gates;
mod hook;
mod notice;
mod reach;
mod tell;

pub use call::{CallFault, Caller, Patience};
pub use gates::{Answer, Gates};
pub use hook::{Hook, HookFault, HookName, Speech};
pub use notice::{Notice, Regarding};
pub use reach::Reach;
pub use tell::{Counts, Webhooks};
