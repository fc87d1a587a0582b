//! `haldane explain`: which rule a request falls under, which version gets it, and why. It sends no request and takes no
//! ticket.

mod admin;

use crate::load::{self, Source};
use crate::output::Output;
use anyhow::Context as _;
use haldane_routing::{Country, Outcome, RequestView, TicketKey};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `haldane explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The request's URL, such as `http://shop.example.com/cart?id=1`.
    url: Uri,
    /// The request's method.
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,
    /// A header, such as `User-Agent: iPhone`; may be given again.
    #[arg(short = 'H', long = "header", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The client's address.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    /// The client's country, such as `KR`.
    #[arg(long)]
    country: Option<Country>,
    /// Files and directories of manifests.
    #[arg(long, num_args = 1.., required_unless_present = "admin")]
    manifests: Vec<PathBuf>,
    /// The admin port of a running proxy, instead of manifests.
    #[arg(long, conflicts_with = "manifests")]
    admin: Option<SocketAddr>,
    #[command(flatten)]
    source: Source,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

fn header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text
        .split_once(':')
        .context("a header is written 'Name: value'")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

/// Prints the explanation; fails if no rule takes the request.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let matched = match args.admin {
        Some(admin) => print_answer(&admin::ask(args, admin)?, args.output)?,
        None => print_own(args)?,
    };
    Ok(if matched {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints what a proxy said; whether a rule takes the request.
fn print_answer(answer: &Value, output: Output) -> anyhow::Result<bool> {
    match output {
        Output::Text => print!("{}", answer["text"].as_str().unwrap_or_default()),
        Output::Json => println!("{}", serde_json::to_string_pretty(answer)?),
    }
    let outcome = &answer["explanation"]["outcome"];
    Ok(!outcome.is_null() && *outcome != serde_json::to_value(Outcome::NoRule)?)
}

/// Explains by manifests; whether a rule takes the request.
fn print_own(args: &Args) -> anyhow::Result<bool> {
    let loaded = load::load(&args.manifests, &args.source);
    for problem in loaded.problems.iter().filter(|_| loaded.has_errors()) {
        eprintln!("{problem}");
    }
    let table = load::build(&loaded.table, None, 0)?;
    let host = args.url.host().context("the URL names no host")?;
    let host = host.to_ascii_lowercase();
    let headers: HeaderMap = args.headers.iter().cloned().collect();
    let view = RequestView {
        method: &args.method,
        host: host.trim_end_matches('.'),
        path: args.url.path(),
        query: args.url.query(),
        headers: &headers,
        source: args.from,
        country: args.country,
    };
    let explanation = table.explain(&view, &TicketKey::from_bytes([0; 32]));
    match args.output {
        Output::Text => print!("{explanation}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&explanation)?),
    }
    Ok(explanation.outcome != Outcome::NoRule)
}
