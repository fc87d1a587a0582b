//! What the codec does over whole exchanges, on scripted transports and on real sockets.

mod answers;
mod bounds;
mod frames;
mod random;
mod requests;
mod sending;
mod sockets;
mod story;
mod transport;
