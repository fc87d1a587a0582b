//! Which country a client is in: by the word of a trusted proxy, or by a GeoIP database.
//!
//! A header wins over the database, because whoever set it saw the client itself. This module never
//! asks the network and reads its file once; a country that is not known is no country, never a guess.

use http::{HeaderMap, HeaderName};
use maxminddb::{MaxMindDbError, Reader, path};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where countries are looked up; neither place need be there.
#[derive(Default)]
pub struct CountrySource {
    header: Option<HeaderName>,
    database: Option<Reader<Vec<u8>>>,
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("reading the GeoIP database {}", path.display())]
pub struct CountryFault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub cause: MaxMindDbError,
}

impl CountrySource {
    /// `header` is what a proxy in front of us sets (such as `CF-IPCountry`); `database` is a file in
    /// MaxMind's format with `country.iso_code`. The whole file is held in memory.
    ///
    /// # Errors
    /// When the file cannot be read or is no database.
    pub fn open(header: Option<HeaderName>, database: Option<&Path>) -> Result<Self, CountryFault> {
        let open = |path: &Path| {
            Reader::open_readfile(path).map_err(|cause| CountryFault {
                path: path.to_owned(),
                cause,
            })
        };
        let database = database.map(open).transpose()?;
        Ok(Self { header, database })
    }

    /// The client's country as ISO 3166-1 alpha-2 in upper case. The header counts only where
    /// `peer_trusted`: anybody else could write what it likes into it.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap, peer_trusted: bool, client: IpAddr) -> Option<[u8; 2]> {
        let told = if peer_trusted {
            self.told(headers)
        } else {
            None
        };
        told.or_else(|| self.looked_up(client))
    }

    fn told(&self, headers: &HeaderMap) -> Option<[u8; 2]> {
        let mut lines = headers.get_all(self.header.as_ref()?).iter();
        let only = lines.next().filter(|_| lines.next().is_none())?;
        code(only.as_bytes())
    }

    fn looked_up(&self, client: IpAddr) -> Option<[u8; 2]> {
        // An IPv6 address in a database of IPv4 is an error there, and an unknown country here.
        let found = self.database.as_ref()?.lookup(client).ok()?;
        let text: Option<&str> = found.decode_path(&path!["country", "iso_code"]).ok()?;
        code(text?.as_bytes())
    }
}

impl fmt::Debug for CountrySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self
            .database
            .as_ref()
            .map(|database| &database.metadata().database_type);
        write!(
            f,
            "CountrySource(header {:?}, database {database:?})",
            self.header
        )
    }
}

/// `XX` is the code that proxies use for a country they do not know.
fn code(text: &[u8]) -> Option<[u8; 2]> {
    let code = <[u8; 2]>::try_from(text)
        .ok()?
        .map(|letter| letter.to_ascii_uppercase());
    (code.iter().all(u8::is_ascii_uppercase) && code != *b"XX").then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// A database of IPv4 with one node: the lower half of all addresses is in Germany, the upper nowhere.
    fn database() -> Vec<u8> {
        let text =
            |text: &str| [&[0x40 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let small = |number: u8| vec![0xa1, number];
        let tree = [[0, 0, 1 + 16], [0, 0, 1]].concat();
        let record = [
            vec![0xe1],
            text("country"),
            vec![0xe1],
            text("iso_code"),
            text("DE"),
        ]
        .concat();
        let metadata = [
            (text("binary_format_major_version"), small(2)),
            (text("binary_format_minor_version"), small(0)),
            (text("build_epoch"), vec![0, 2]),
            (text("database_type"), text("Test-Country")),
            (text("description"), vec![0xe0]),
            (text("ip_version"), small(4)),
            (text("languages"), vec![0, 4]),
            (text("node_count"), vec![0xc1, 1]),
            (text("record_size"), small(24)),
        ];
        let metadata: Vec<u8> = metadata
            .into_iter()
            .flat_map(|(name, value)| [name, value].concat())
            .collect();
        [
            tree,
            vec![0; 16],
            record,
            b"\xab\xcd\xefMaxMind.com\xe9".to_vec(),
            metadata,
        ]
        .concat()
    }

    fn source() -> CountrySource {
        CountrySource {
            header: Some(HeaderName::from_static("cf-ipcountry")),
            database: Some(Reader::from_source(database()).unwrap()),
        }
    }

    #[track_caller]
    fn check(
        source: &CountrySource,
        lines: &[&'static str],
        trusted: bool,
        client: &str,
        expected: Option<&str>,
    ) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("cf-ipcountry", HeaderValue::from_static(line));
        }
        let country = source.of(&headers, trusted, client.parse().unwrap());
        let country = country.map(|code| String::from_utf8(code.to_vec()).unwrap());
        assert_eq!(country.as_deref(), expected, "{lines:?} {client}");
    }

    #[test]
    fn a_trusted_header_wins_and_the_database_knows_the_rest() {
        let source = source();
        check(&source, &[], false, "1.2.3.4", Some("DE"));
        check(&source, &[], false, "200.2.3.4", None);
        check(&source, &[], false, "2001:db8::1", None);
        check(&source, &["kr"], true, "1.2.3.4", Some("KR"));
        check(&source, &["kr"], false, "1.2.3.4", Some("DE"));
        check(&source, &["kr"], false, "200.2.3.4", None);
        for odd in ["XX", "T1", "KOR", "K", "", "k\u{20}"] {
            check(&source, &[odd], true, "1.2.3.4", Some("DE"));
            check(&source, &[odd], true, "200.2.3.4", None);
        }
        check(&source, &["kr", "jp"], true, "200.2.3.4", None);
        check(&CountrySource::default(), &["kr"], true, "1.2.3.4", None);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = Path::new("no/such/countries.mmdb");
        let fault = CountrySource::open(None, Some(missing)).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "reading the GeoIP database no/such/countries.mmdb"
        );
        assert!(CountrySource::open(None, None).is_ok());
    }
}
