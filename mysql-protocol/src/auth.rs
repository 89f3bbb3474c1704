//! Passwords: `caching_sha2_password` and `mysql_native_password`.
//!
//! A server that keeps `SHA256(SHA256(password))` can always answer on the fast path of `caching_sha2_password`: the password never
//! crosses the wire, with TLS or without.

use std::fmt;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Bytes of a salt.
pub const SALT: usize = 20;

/// The name of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    /// MySQL's since 8.0.
    CachingSha2,
    /// MySQL's before, and MariaDB's.
    Native,
}

impl Plugin {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Plugin::CachingSha2 => "caching_sha2_password",
            Plugin::Native => "mysql_native_password",
        }
    }

    /// The plugin of a name.
    pub fn of(name: &[u8]) -> Option<Self> {
        [Plugin::CachingSha2, Plugin::Native].into_iter().find(|p| p.name().as_bytes() == name)
    }
}

/// What a server keeps of a password, and checks answers with.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    sha2: [u8; 32],
    sha1: [u8; 20],
    empty: bool,
}

impl Verifier {
    /// The verifier of a password.
    pub fn from_password(password: &str) -> Self {
        Self {
            sha2: sha256(&[&sha256(&[password.as_bytes()])]),
            sha1: sha1_of(&[&sha1_of(&[password.as_bytes()])]),
            empty: password.is_empty(),
        }
    }

    /// Whether an answer to `salt` was made with the password.
    pub fn check(&self, plugin: Plugin, salt: &[u8; SALT], answer: &[u8]) -> bool {
        if self.empty {
            return answer.is_empty() || answer == [0];
        }
        match plugin {
            Plugin::CachingSha2 => {
                let mask = sha256(&[&self.sha2, salt]);
                let Ok(answer) = <[u8; 32]>::try_from(answer) else {
                    return false;
                };
                equal(&sha256(&[&xor(answer, mask)]), &self.sha2)
            }
            Plugin::Native => {
                let mask = sha1_of(&[salt, &self.sha1]);
                let Ok(answer) = <[u8; 20]>::try_from(answer) else {
                    return false;
                };
                equal(&sha1_of(&[&xor(answer, mask)]), &self.sha1)
            }
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(***)")
    }
}

/// A new salt: letters and digits alone, since some clients end it at a zero or a `$`.
pub fn new_salt() -> [u8; SALT] {
    use rand::Rng;
    let mut random = rand::rng();
    std::array::from_fn(|_| random.sample(rand::distr::Alphanumeric))
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn sha1_of(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn xor<const N: usize>(mut a: [u8; N], b: [u8; N]) -> [u8; N] {
    a.iter_mut().zip(b).for_each(|(a, b)| *a ^= b);
    a
}

/// Equality that takes the same time wherever the difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// What a client answers; for tests.
#[cfg(test)]
pub(crate) fn answer(plugin: Plugin, salt: &[u8; SALT], password: &str) -> Vec<u8> {
    if password.is_empty() {
        return vec![];
    }
    match plugin {
        Plugin::CachingSha2 => {
            let once = sha256(&[password.as_bytes()]);
            xor(once, sha256(&[&sha256(&[&once]), salt])).to_vec()
        }
        Plugin::Native => {
            let once = sha1_of(&[password.as_bytes()]);
            xor(once, sha1_of(&[salt, &sha1_of(&[&once])])).to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_checked() {
        let salt = new_salt();
        for plugin in [Plugin::CachingSha2, Plugin::Native] {
            let verifier = Verifier::from_password("sécret");
            assert!(verifier.check(plugin, &salt, &answer(plugin, &salt, "sécret")));
            assert!(!verifier.check(plugin, &salt, &answer(plugin, &salt, "secret")));
            assert!(!verifier.check(plugin, &new_salt(), &answer(plugin, &salt, "sécret")));
            assert!(!verifier.check(plugin, &salt, b""));
            let open = Verifier::from_password("");
            assert!(open.check(plugin, &salt, b"") && open.check(plugin, &salt, b"\0"));
            assert!(!open.check(plugin, &salt, &answer(plugin, &salt, "x")));
        }
        assert_eq!(format!("{:?}", Verifier::from_password("x")), "Verifier(***)");
    }
}
