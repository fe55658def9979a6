//! What ListObjectsV2 answers, page by page: which objects there are, and whether another page is asked for.
//!
//! Without I/O. Keys come percent-encoded (`encoding-type=url`), since XML cannot hold all that a key may. Whoever answers
//! in S3's place must not fill the memory, nor have us ask for ever: pages and objects have a limit. Not here: the
//! calls ([`super::objects`]).

use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use headwater_actors::failure::Failure;

use crate::percent;

/// Of 1,000 keys each.
const PAGES_MAX: u32 = 10_000;
const OBJECTS_MAX: usize = 1_000_000;

/// An object as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    pub bytes: u64,
    /// Of its content, quoted: another content has another.
    pub(super) etag: String,
}

/// One answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    objects: Vec<Object>,
    /// With which the next page is asked for.
    next: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("the answer is no list of objects")]
    Xml(#[from] XmlDecodeError),
    #[error("the answer is no list of objects: {0}")]
    Content(&'static str),
}

impl Page {
    pub fn parse(answer: &[u8]) -> Result<Self, Malformed> {
        let mut document = Document::try_from(answer)?;
        let mut root = document.root_element()?;
        if !root.start_el().matches("ListBucketResult") {
            return Err(Malformed::Content("it has another root"));
        }
        let (mut page, mut is_cut) = (Self::default(), false);
        while let Some(mut tag) = root.next_tag() {
            match tag.start_el().local() {
                "Contents" => page.objects.push(object(&mut tag)?),
                "IsTruncated" => is_cut = try_data(&mut tag)?.trim() == "true",
                "NextContinuationToken" => page.next = Some(try_data(&mut tag)?.into_owned()),
                _ => {}
            }
        }
        match (is_cut, &page.next) {
            (true, None) => Err(Malformed::Content(
                "it is cut and does not say where it goes on",
            )),
            (true, Some(_)) => Ok(page),
            (false, _) => Ok(Self { next: None, ..page }),
        }
    }
}

fn object(contents: &mut ScopedDecoder<'_, '_>) -> Result<Object, Malformed> {
    let (mut key, mut bytes, mut etag) = (None, None, None);
    while let Some(mut tag) = contents.next_tag() {
        match tag.start_el().local() {
            // S3 encodes keys as in a query, where `+` stands for a blank.
            "Key" => key = percent::decode(&try_data(&mut tag)?.replace('+', " ")),
            "Size" => bytes = try_data(&mut tag)?.trim().parse().ok(),
            "ETag" => etag = Some(try_data(&mut tag)?.into_owned()),
            _ => {}
        }
    }
    Ok(Object {
        key: key.ok_or(Malformed::Content("an object has no key"))?,
        bytes: bytes.ok_or(Malformed::Content("an object has no size"))?,
        etag: etag.ok_or(Malformed::Content("an object has no ETag"))?,
    })
}

/// All pages so far.
#[derive(Debug, Default)]
pub struct Listing {
    objects: Vec<Object>,
    pages: u32,
}

impl Listing {
    /// Keeps what is wanted of a page; then with what to ask for the next, or `None`.
    pub fn take(
        &mut self,
        page: Page,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Option<String>, Failure> {
        self.pages += 1;
        let wanted = |object: &Object| is_wanted(&object.key);
        self.objects.extend(page.objects.into_iter().filter(wanted));
        let over = match (self.objects.len() > OBJECTS_MAX, &page.next) {
            (true, _) => format!("more than {OBJECTS_MAX} objects are to be read"),
            (_, Some(_)) if self.pages >= PAGES_MAX => {
                format!("the list of objects has more than {PAGES_MAX} pages")
            }
            (_, next) => return Ok(next.clone()),
        };
        Err(Failure::definite(over)
            .with_hint("name a longer prefix, a day or an hour, and verify part by part"))
    }

    /// By name.
    pub fn finish(mut self) -> Vec<Object> {
        self.objects.sort_by(|one, other| one.key.cmp(&other.key));
        self.objects
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>log</Name><Prefix>a%2F</Prefix>
<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<Contents><Key>a%2F%C3%BC+b%25.gz</Key><LastModified>2026-11-30T03:00:00.000Z</LastModified><ETag>&quot;e1&quot;</ETag>
<Size>12</Size><Owner><ID>x</ID><Key>no</Key></Owner><StorageClass>STANDARD</StorageClass></Contents>
<Contents><Key>a%2Fa</Key><ETag>"e2"</ETag><Size>0</Size></Contents>
<NextContinuationToken>a/+=t</NextContinuationToken></ListBucketResult>"#;

    fn object(key: &str) -> Object {
        Object {
            key: key.to_owned(),
            bytes: 0,
            etag: String::new(),
        }
    }

    #[test]
    fn a_page_has_its_objects_with_what_to_ask_for_next() {
        let page = Page::parse(PAGE.as_bytes()).expect("a page");
        let keys: Vec<_> = page
            .objects
            .iter()
            .map(|object| object.key.as_str())
            .collect();
        assert_eq!(keys, ["a/ü b%.gz", "a/a"]);
        assert_eq!(
            (page.objects[0].bytes, page.objects[0].etag.as_str()),
            (12, "\"e1\"")
        );
        assert_eq!(page.next.as_deref(), Some("a/+=t"));
        let last = PAGE.replace("<IsTruncated>true", "<IsTruncated>false");
        assert_eq!(Page::parse(last.as_bytes()).expect("a page").next, None);
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        let cut = PAGE.find("<NextCont").expect("a token");
        for wrong in [
            "",
            "<html><p></html>",
            "<Error><Code>NoSuchBucket</Code></Error>",
            &PAGE.replace("<Size>12", "<Size>x"),
            &PAGE.replace("%C3%BC", "%C3"),
            &PAGE.replace("%C3%BC", "%zz"),
            &PAGE.replace("NextContinuationToken", "Other"),
            &PAGE[..cut],
        ] {
            assert!(Page::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_by_name_and_has_what_is_wanted() {
        let mut listing = Listing::default();
        let page = |keys: &[&str], next: Option<&str>| Page {
            objects: keys.iter().map(|key| object(key)).collect(),
            next: next.map(str::to_owned),
        };
        let wanted: &dyn Fn(&str) -> bool = &|key| key != "x";
        let next = listing.take(page(&["b", "x"], Some("t")), wanted);
        assert_eq!(next, Ok(Some("t".to_owned())));
        assert_eq!(listing.take(page(&["a"], None), wanted), Ok(None));
        assert_eq!(listing.finish(), [object("a"), object("b")]);
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let endless = |keys: usize| {
            let mut listing = Listing::default();
            (0..=PAGES_MAX).find_map(|_| {
                let page = Page {
                    objects: vec![object("k"); keys],
                    next: Some("t".to_owned()),
                };
                listing.take(page, &|_| true).err()
            })
        };
        for (keys, words) in [(0, "10000 pages"), (1_000, "1000000 objects")] {
            let failure = endless(keys).expect("an end");
            assert!(
                failure.is_definite() && failure.to_string().contains(words),
                "{failure}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_change_of_a_page_ends_in_a_page_or_an_error(
            changes in prop::collection::vec((0..PAGE.len(), any::<u8>()), 0..8),
            cut in 0..PAGE.len(),
        ) {
            let mut bytes = PAGE.as_bytes().to_vec();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            for bytes in [bytes.as_slice(), &bytes[..cut]] {
                if let Ok(page) = Page::parse(bytes) {
                    prop_assert!(page.objects.len() <= 2);
                }
            }
        }
    }
}
