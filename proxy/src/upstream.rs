//! Everything towards the backends: connections, their pools, the protocols spoken.

pub(crate) mod connect;
pub mod h1;
pub(crate) mod h2;
pub(crate) mod pool;
pub(crate) mod stream;

pub(crate) use stream::Stream;
