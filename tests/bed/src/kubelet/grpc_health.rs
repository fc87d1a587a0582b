//! The gRPC health protocol, as far as a probe needs it: `grpc.health.v1.Health/Check`.

use http::uri::PathAndQuery;
use std::net::SocketAddr;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

/// `HealthCheckResponse.ServingStatus.SERVING`.
const SERVING: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Asks whether `service` serves.
pub(super) async fn check(address: SocketAddr, service: &str) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    let mut client = Grpc::new(channel);
    client.ready().await?;
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let answer = client.unary(Request::new(request), path, codec).await?;
    let status = answer.into_inner().status;
    anyhow::ensure!(status == SERVING, "health status {status}");
    Ok(())
}
