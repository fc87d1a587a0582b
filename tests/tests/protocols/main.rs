//! Protocols through `haldane serve`, each spoken by a client and a server that are not ours.

mod browser;
mod curl;
mod framed;
mod grpc;
mod http;
mod tls;
mod websocket;
