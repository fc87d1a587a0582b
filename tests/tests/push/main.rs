//! Controllers that push and `haldane-proxy` processes that follow: what gets in, what does not, and what traffic
//! notices of either (nothing).

mod addresses;
mod controller;
mod disk;
mod fencing;
mod following;
mod liar;
mod lies;
mod proxy;
mod rotation;
mod strangers;
mod table;
