//! SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits.

use aws_lc_rs::digest::{Context, SHA256};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What has been taken in so far.
#[derive(Clone)]
pub struct Sha256(Context);

impl Sha256 {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Context::new(&SHA256)).and(bytes)
    }

    /// With more bytes behind the others.
    #[must_use]
    pub fn and(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    pub fn hex(self) -> String {
        let digest = self.0.finish();
        let nibbles = digest
            .as_ref()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles
            .filter_map(|nibble| DIGITS.get(usize::from(nibble)))
            .map(|digit| char::from(*digit))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_digest_of_the_standard_s_examples() {
        // FIPS 180-4, examples: "abc" and the empty message.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").hex(), abc);
        assert_eq!(Sha256::of(b"a").and(b"bc").hex(), abc);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").hex(), empty);
    }
}
