//! Numbers as Kafka Connect's `Decimal` has them: the digits without their point as a big-endian two's
//! complement in the fewest bytes (Java's `BigInteger.toByteArray`).

/// Enough for the 81 digits of MySQL's widest group count, and for the sign.
const BYTES: usize = 36;
const LIMBS: usize = BYTES / 4;

pub(super) struct Unscaled {
    bytes: [u8; BYTES],
}

impl Unscaled {
    /// Of a decimal number's text: sign, digits, a point somewhere.
    pub fn of_text(text: &[u8]) -> Self {
        // Lowest first.
        let mut limbs = [0_u32; LIMBS];
        let mut group = 0_u32;
        let mut power = 1_u32;
        let mut add = |group: u32, power: u32| {
            let mut carry = u64::from(group);
            for limb in &mut limbs {
                carry += u64::from(*limb) * u64::from(power);
                *limb = carry as u32;
                carry >>= 32;
            }
        };
        for digit in text.iter().filter(|byte| byte.is_ascii_digit()) {
            group = group * 10 + u32::from(digit - b'0');
            power *= 10;
            if power == 1_000_000_000 {
                add(group, power);
                (group, power) = (0, 1);
            }
        }
        add(group, power);
        if text.first() == Some(&b'-') {
            let mut carry = true;
            for limb in &mut limbs {
                let (negated, overflows) = (!*limb).overflowing_add(u32::from(carry));
                *limb = negated;
                carry = overflows;
            }
        }
        let mut bytes = [0; BYTES];
        for (four, limb) in bytes.chunks_exact_mut(4).zip(limbs.iter().rev()) {
            four.copy_from_slice(&limb.to_be_bytes());
        }
        Self { bytes }
    }

    pub fn of_u64(number: u64) -> Self {
        let mut bytes = [0; BYTES];
        if let Some(low) = bytes.last_chunk_mut() {
            *low = number.to_be_bytes();
        }
        Self { bytes }
    }

    pub fn as_bytes(&self) -> &[u8] {
        let mut rest = &self.bytes[..];
        while let [first, after @ ..] = rest
            && let [second, ..] = after
            && *first == if second & 0x80 == 0 { 0 } else { 0xff }
        {
            rest = after;
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fewest bytes whose sign extension gives the number back.
    fn expected(number: i128) -> Vec<u8> {
        let bytes = number.to_be_bytes();
        let fits = |length: &usize| {
            let (head, tail) = bytes.split_at(16 - length);
            let sign = if tail[0] & 0x80 == 0 { 0 } else { 0xff };
            head.iter().all(|byte| *byte == sign)
        };
        let length = (1..=16).find(fits).expect("16 bytes hold it");
        bytes[16 - length..].to_vec()
    }

    #[test]
    fn the_examples_of_the_format_page_hold() {
        assert_eq!(Unscaled::of_text(b"123.45").as_bytes(), [0x30, 0x39]);
        assert_eq!(Unscaled::of_text(b"-1.00").as_bytes(), [0x9c]);
        assert_eq!(Unscaled::of_text(b"0.00").as_bytes(), [0]);
        assert_eq!(Unscaled::of_u64(1 << 63).as_bytes().len(), 9);
        assert_eq!(Unscaled::of_u64(255).as_bytes(), [0, 255]);
    }

    #[test]
    fn the_widest_number_fits() {
        let nines = [b'9'; 81];
        let bytes = Unscaled::of_text(&nines).as_bytes().to_vec();
        assert_eq!((bytes.len(), bytes[0] & 0x80), (34, 0));
        let negative = [&b"-"[..], &nines].concat();
        assert_eq!(Unscaled::of_text(&negative).as_bytes()[0] & 0x80, 0x80);
    }

    proptest! {
        #[test]
        fn the_bytes_are_the_number(number in -(10_i128.pow(37))..10_i128.pow(37)) {
            let unscaled = Unscaled::of_text(number.to_string().as_bytes());
            prop_assert_eq!(unscaled.as_bytes(), expected(number));
        }

        #[test]
        fn unsigned_integers_too(number: u64) {
            let unscaled = Unscaled::of_u64(number);
            prop_assert_eq!(unscaled.as_bytes(), expected(number.into()));
        }
    }
}
