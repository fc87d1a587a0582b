//! Verifies passwords without holding up a worker thread, and remembers which were right.
//!
//! One per process: the bounds hold over all rules, and what was verified stays so over updates. It remembers keyed
//! digests of stored hash and password together, never a password; so a password that was changed or withdrawn is
//! forgotten with its stored hash. It remembers no wrong ones.

use super::stored::StoredHash;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashSet;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slow hashes computed at once: somebody who guesses passwords gets this many threads of us, not all.
const AT_ONCE_MAX: usize = 2;

/// Requests that wait for a slow hash or have one computed. At the usual 50 ms each the last one waits about 3 s;
/// beyond that a client is better told to come again.
const WAITING_MAX: usize = 128;

/// Right passwords remembered in each of two generations: more than the users of any htpasswd file we know of.
const REMEMBERED_MAX: usize = 8_192;

/// Why a password could not be verified; the request is answered with 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The user's stored hash is of no scheme that we know, malformed, or too slow.
    #[error("the stored password hash is not supported")]
    Unsupported,
    /// Too many passwords are being verified.
    #[error("too many passwords are being verified")]
    Busy,
    /// The computation was cut off, as happens at shutdown.
    #[error("verifying the password was cut off")]
    CutOff,
}

/// Where passwords are verified. Shared by all rules and threads.
pub struct Verifier {
    keyed: Hmac<Sha256>,
    remembered: Mutex<Remembered>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Verifier {
    /// Remembers nothing yet. The key should be random: with it, passwords could be guessed from a memory dump faster.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            keyed: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"),
            remembered: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// Whether this is the password. Slow hashes are computed on tokio's blocking threads, [`AT_ONCE_MAX`] at once.
    pub(super) async fn verify(
        &self,
        stored: &Arc<StoredHash>,
        password: &[u8],
    ) -> Result<bool, Unverified> {
        if !stored.is_supported() {
            return Err(Unverified::Unsupported);
        }
        if !stored.is_slow() {
            return Ok(stored.verify(password));
        }
        let proof = self.proof(stored, password);
        if self.remembered().has(&proof) {
            return Ok(true);
        }
        let turn = self.turn().await?;
        // A page's requests come together with the same new password: the first one has verified it for all.
        if self.remembered().has(&proof) {
            return Ok(true);
        }
        let right = compute(turn, Arc::clone(stored), password.to_vec()).await?;
        if right {
            self.remembered().add(proof);
        }
        Ok(right)
    }

    async fn turn(&self) -> Result<Turn, Unverified> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Unverified::Busy)?;
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        Ok(Turn {
            _place: place,
            _turn: turn,
        })
    }

    /// The length of the first part keeps the two apart.
    fn proof(&self, stored: &StoredHash, password: &[u8]) -> Proof {
        let written = stored.written().as_bytes();
        let mut keyed = self.keyed.clone();
        keyed.update(&(written.len() as u64).to_be_bytes());
        keyed.update(written);
        keyed.update(password);
        keyed.finalize().into_bytes().into()
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

/// The right to compute one slow hash, and its place among those who wait.
struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

/// The turn ends with the computation, also when nobody waits for its answer any more.
async fn compute(
    turn: Turn,
    stored: Arc<StoredHash>,
    password: Vec<u8>,
) -> Result<bool, Unverified> {
    let computation = tokio::task::spawn_blocking(move || {
        let right = stored.verify(&password);
        drop(turn);
        right
    });
    computation.await.map_err(|_| Unverified::CutOff)
}

type Proof = [u8; 32];

/// Two generations: when the younger is full it becomes the older, and the older is forgotten. What is in use moves
/// to the younger, so it stays.
#[derive(Default)]
struct Remembered {
    younger: HashSet<Proof>,
    older: HashSet<Proof>,
}

impl Remembered {
    fn has(&mut self, proof: &Proof) -> bool {
        if self.younger.contains(proof) {
            return true;
        }
        let known = self.older.contains(proof);
        if known {
            self.add(*proof);
        }
        known
    }

    fn add(&mut self, proof: Proof) {
        if self.younger.len() >= REMEMBERED_MAX {
            self.older = mem::take(&mut self.younger);
        }
        self.younger.insert(proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bcrypt(password: &str) -> Arc<StoredHash> {
        Arc::new(StoredHash::parse(&bcrypt::hash(password, 4).unwrap()))
    }

    #[tokio::test]
    async fn remembers_right_passwords_only() {
        let verifier = Verifier::new([7; 32]);
        let stored = bcrypt("secret");
        assert_eq!(verifier.verify(&stored, b"wrong").await, Ok(false));
        assert!(verifier.remembered().younger.is_empty());
        assert_eq!(verifier.verify(&stored, b"secret").await, Ok(true));
        verifier.places.close(); // from here on nothing can be computed
        assert_eq!(verifier.verify(&stored, b"secret").await, Ok(true));
        assert_eq!(
            verifier.verify(&stored, b"wrong").await,
            Err(Unverified::Busy)
        );
        assert_eq!(
            verifier.verify(&bcrypt("secret"), b"secret").await,
            Err(Unverified::Busy),
            "a changed hash"
        );
    }

    #[tokio::test]
    async fn the_first_of_many_verifies_for_all() {
        let verifier = Verifier::new([7; 32]);
        let stored = bcrypt("secret");
        let held = Arc::clone(&verifier.turns)
            .acquire_many_owned(AT_ONCE_MAX as u32)
            .await
            .unwrap();
        let waiting = verifier.verify(&stored, b"shared");
        let first = async {
            verifier
                .remembered()
                .add(verifier.proof(&stored, b"shared"));
            drop(held);
        };
        // The hash itself would say no, so a yes was remembered while the request waited for its turn.
        // `join!` polls in order: the waiting request has found nothing remembered by the time the first one is done.
        let (answer, ()) = tokio::join!(waiting, first);
        assert_eq!(answer, Ok(true));
    }

    #[tokio::test]
    async fn as_many_wait_as_there_are_places() {
        let verifier = Verifier::new([7; 32]);
        let stored = bcrypt("secret");
        let _full = Arc::clone(&verifier.places)
            .acquire_many_owned(WAITING_MAX as u32)
            .await
            .unwrap();
        assert_eq!(
            verifier.verify(&stored, b"secret").await,
            Err(Unverified::Busy)
        );
    }

    #[tokio::test]
    async fn places_and_turns_come_back() {
        let verifier = Verifier::new([7; 32]);
        let stored = bcrypt("secret");
        assert_eq!(verifier.verify(&stored, b"guess").await, Ok(false));
        assert_eq!(verifier.turns.available_permits(), AT_ONCE_MAX);
        assert_eq!(verifier.places.available_permits(), WAITING_MAX);
    }

    #[tokio::test]
    async fn what_cannot_be_verified() {
        let verifier = Verifier::new([7; 32]);
        let des = Arc::new(StoredHash::parse("rqXexS6ZobgOU"));
        assert_eq!(
            verifier.verify(&des, b"secret").await,
            Err(Unverified::Unsupported)
        );
    }

    #[test]
    fn remembers_a_bounded_number_and_those_in_use() {
        let mut remembered = Remembered::default();
        let proof = |n: usize| {
            let mut proof = [0; 32];
            proof[..8].copy_from_slice(&n.to_be_bytes());
            proof
        };
        for n in 0..5 * REMEMBERED_MAX {
            remembered.add(proof(n));
            assert!(remembered.has(&proof(0)), "in use, after {n}");
        }
        assert!(remembered.younger.len() <= REMEMBERED_MAX);
        assert!(remembered.older.len() <= REMEMBERED_MAX);
        assert!(!remembered.has(&proof(1)), "not in use");
    }
}
