//! Codes for which MySQL has another character than the web's table of the same encoding.
//!
//! Where one character stands for another wherever it comes from, `differences` in the parent does it;
//! here it depends on the code: big5's rows C6 to C8 (ETEN's order), the private use rows of EUC-JP and its
//! IBM rows, what GB 18030 moved out of the private use area in 2022. Text is walked code by code, what
//! lies between is the library's. Source: MySQL's `ctype-big5.cc`, `ctype-ujis.cc`, `ctype-eucjpms.cc`,
//! `ctype-gb18030.cc`, each code asked of a server.

use encoding_rs::Encoding;

/// A character set with codes of its own.
#[derive(Clone, Copy)]
pub(super) enum Codes {
    Big5,
    Ujis,
    Eucjpms,
    Gb18030,
}

impl Codes {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "big5" => Self::Big5,
            "ujis" => Self::Ujis,
            "eucjpms" => Self::Eucjpms,
            "gb18030" => Self::Gb18030,
            _ => return None,
        })
    }

    /// `None` for bytes that are not text.
    pub fn decode(self, encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
        let between = |run: &[u8], text: &mut String| {
            let decoded = encoding.decode_without_bom_handling_and_without_replacement(run)?;
            text.push_str(&decoded);
            Some(())
        };
        self.walk(bytes, between)
    }

    /// With U+FFFD for bytes that are not text.
    pub fn decode_lossy(self, encoding: &'static Encoding, bytes: &[u8]) -> String {
        let between = |run: &[u8], text: &mut String| {
            text.push_str(&encoding.decode_without_bom_handling(run).0);
            Some(())
        };
        self.walk(bytes, between).unwrap_or_default()
    }

    /// Code by code; what lies between codes of our own is `between`'s.
    fn walk(
        self,
        bytes: &[u8],
        between: impl Fn(&[u8], &mut String) -> Option<()>,
    ) -> Option<String> {
        let mut text = String::with_capacity(bytes.len());
        let (mut run, mut run_bytes, mut rest) = (bytes, 0, bytes);
        while !rest.is_empty() {
            // A code that is cut short is the library's to judge.
            let (code, after) = rest.split_at(self.code_bytes(rest).min(rest.len()));
            rest = after;
            if let Some(character) = self.character(code) {
                between(run.get(..run_bytes)?, &mut text)?;
                text.push(character);
                (run, run_bytes) = (rest, 0);
            } else {
                run_bytes += code.len();
            }
        }
        between(run, &mut text)?;
        Some(text)
    }

    fn code_bytes(self, rest: &[u8]) -> usize {
        match (self, rest) {
            (_, [0..=0x7f, ..]) => 1,
            (Self::Gb18030, [_, 0x30..=0x39, ..]) => 4,
            (Self::Ujis | Self::Eucjpms, [0x8f, ..]) => 3,
            (Self::Ujis | Self::Eucjpms, [0x80..=0x8d | 0x90..=0xa0, ..]) => 1,
            _ => 2,
        }
    }

    fn character(self, code: &[u8]) -> Option<char> {
        match (self, code) {
            (Self::Big5, &[lead, trail]) => big5(lead, trail),
            (Self::Gb18030, &[lead, trail]) => gb18030(lead, trail),
            (Self::Ujis | Self::Eucjpms, &[lead @ 0xf5..=0xfe, trail @ 0xa1..=0xfe]) => {
                char::from_u32(0xe000 + row_and_cell(lead - 0xf5, trail))
            }
            (Self::Ujis | Self::Eucjpms, &[0x8f, lead @ 0xf5..=0xfe, trail @ 0xa1..=0xfe]) => {
                char::from_u32(0xe3ac + row_and_cell(lead - 0xf5, trail))
            }
            (Self::Eucjpms, &[0x8f, lead @ 0xf3..=0xf4, trail @ 0xa1..=0xfe]) => {
                let index = row_and_cell(lead - 0xf3, trail).checked_sub(IBM_BEGIN)?;
                IBM.chars().nth(index as usize)
            }
            (Self::Eucjpms, &[0x8f, 0xa2, 0xc3]) => Some('\u{ffe4}'),
            (Self::Ujis, &[0x8f, 0xa2, 0xb7]) => Some('~'),
            _ => None,
        }
    }
}

fn row_and_cell(row: u8, trail: u8) -> u32 {
    u32::from(row) * 94 + u32::from(trail - 0xa1)
}

/// Cell 0x52 of row 0xF3.
const IBM_BEGIN: u32 = 0x52;
const IBM: &str = "\
    ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ＇＂㈱№℡炻仼僴凬匇匤﨎咊坙﨏塚增寬峵嵓﨑德悅愠敎昻晥晴朗栁﨓﨔橫\
    櫢淸淲瀨凞猪甁皂皞益礰礼神祥福竧靖精綠緖羽荢﨟薰蘒﨡蠇諸譿賴赶﨣﨤逸郞都鄕﨧﨨閒隆﨩霻靍靑飯飼館馞髙魲鶴黑";

/// First code, number of codes, first character of each run.
const BIG5: [(u8, u8, u32, u32); 14] = [
    (0xc6, 0xa1, 1, 0x30fe),
    (0xc6, 0xa2, 2, 0x309d),
    (0xc6, 0xa4, 1, 0x3005),
    (0xc6, 0xa5, 83, 0x3041),
    (0xc6, 0xf8, 86, 0x30a1),
    (0xc7, 0xb1, 2, 0x414),
    (0xc7, 0xb3, 1, 0x401),
    (0xc7, 0xb4, 7, 0x416),
    (0xc7, 0xbb, 19, 0x423),
    (0xc7, 0xce, 1, 0x451),
    (0xc7, 0xcf, 26, 0x436),
    (0xc7, 0xe9, 10, 0x2460),
    (0xc7, 0xf3, 10, 0x2474),
    (0xa2, 0x46, 2, 0xa2),
];

fn big5(lead: u8, trail: u8) -> Option<char> {
    let single = match [lead, trail] {
        [0xa1, 0x45] => '\u{2022}',
        [0xa1, 0x4e] => '\u{ff64}',
        [0xa1, 0xc2] => '\u{203e}',
        [0xa1, 0xe3] => '\u{223c}',
        [0xa1, 0xf2] => '\u{2641}',
        [0xa1, 0xf3] => '\u{2609}',
        [0xa2, 0x41] => '\u{ff0f}',
        [0xa2, 0x42] => '\u{ff3c}',
        [0xa2, 0x44] => '\u{a5}',
        _ => '\0',
    };
    if single != '\0' {
        return Some(single);
    }
    let place = big5_place(lead, trail);
    BIG5.iter().find_map(|&(lead, trail, count, first)| {
        let at = place.checked_sub(big5_place(lead, trail))?;
        char::from_u32(first + at).filter(|_| at < count)
    })
}

/// Codes in their order: 157 a lead byte, trail bytes 0x40..=0x7e and 0xa1..=0xfe.
fn big5_place(lead: u8, trail: u8) -> u32 {
    let cell = match trail {
        0xa1.. => u32::from(trail) - 0xa1 + 63,
        _ => u32::from(trail).saturating_sub(0x40),
    };
    u32::from(lead) * 157 + cell
}

fn gb18030(lead: u8, trail: u8) -> Option<char> {
    Some(match [lead, trail] {
        [0xa3, 0xa0] => '\u{e5e5}',
        [0xa6, 0xd9] => '\u{e78d}',
        [0xa6, 0xda] => '\u{e78e}',
        [0xa6, 0xdb] => '\u{e78f}',
        [0xa6, 0xdc] => '\u{e790}',
        [0xa6, 0xdd] => '\u{e791}',
        [0xa6, 0xde] => '\u{e792}',
        [0xa6, 0xdf] => '\u{e793}',
        [0xa6, 0xec] => '\u{e794}',
        [0xa6, 0xed] => '\u{e795}',
        [0xa6, 0xf3] => '\u{e796}',
        [0xfe, 0x59] => '\u{e81e}',
        [0xfe, 0x61] => '\u{e826}',
        [0xfe, 0x66] => '\u{e82b}',
        [0xfe, 0x67] => '\u{e82c}',
        [0xfe, 0x6d] => '\u{e832}',
        [0xfe, 0x7e] => '\u{e843}',
        [0xfe, 0x90] => '\u{e854}',
        [0xfe, 0xa0] => '\u{e864}',
        _ => return None,
    })
}
