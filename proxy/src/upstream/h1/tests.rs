//! What the codec does over whole exchanges, on scripted transports and on real sockets.

mod answers;
mod bounds;
mod requests;
mod script;
