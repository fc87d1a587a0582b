//! Everything towards backends: how requests are carried to an endpoint and answers carried back.

pub mod h1;
