//! The bounds of one connection to a backend, each with its reason.

/// Bytes asked for when a head is read. Holds the usual small answer whole, so that it can be
/// handed over without copying and without a second read.
pub(super) const READ_FIRST: usize = 16 * 1024;

/// Bytes asked for at most when a body is read: what a connection may hold per direction.
pub(super) const READ_MAX: usize = 64 * 1024;

/// A request frame up to this size is copied behind the text before it: cheaper than the longer
/// vector for the kernel to walk.
pub(super) const COPY_MAX: usize = 1024;

/// Room for written text that an idle connection may keep. Longer heads give theirs back.
pub(super) const TEXT_KEPT: usize = 8 * 1024;

/// Fields of one head or of one trailer section, as elsewhere at the edge (Envoy: 100).
pub(super) const FIELDS_MAX: usize = 100;

/// Interim answers before the final one. Real backends send one or two; without a bound a backend
/// could hold a request for ever while looking alive.
pub(super) const INTERIM_MAX: u8 = 16;

/// Digits of a chunk size: as many as 64 bits have. More can only be leading zeros or an overflow.
pub(super) const CHUNK_DIGITS_MAX: usize = 16;

/// A chunk's size line with its extensions, in bytes. Nobody uses extensions; they are skipped.
pub(super) const CHUNK_LINE_MAX: usize = 1024;

/// Bytes of chunk extensions in one body, so that it cannot consist of them.
pub(super) const CHUNK_EXTENSIONS_MAX: u64 = 16 * 1024;

/// How much of a backend's head and trailers is read before they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one response head, status line and final empty line included.
    pub head_bytes: usize,
    /// Bytes of one trailer section, final empty line included.
    pub trailer_bytes: usize,
}

impl Default for Limits {
    /// 32 KiB for a head, which is what the server side takes from clients; 8 KiB for trailers.
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            trailer_bytes: 8 * 1024,
        }
    }
}
