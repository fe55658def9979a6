//! Credentials that AWS refuses: which of them is at fault, and what to do.
//!
//! By AWS's word, never by its text. A wrong clock has the same word as a wrong secret; the `Date` of the answer
//! tells them apart.

use std::{fmt, time::Duration};

use aws_smithy_types::{DateTime, date_time::Format as DateFormat};

/// AWS takes a signature for five minutes; an answer may have been on its way for some time.
const SKEW_MIN: Duration = Duration::from_secs(240);

/// How wrong this machine's clock is by AWS's own; only if it is too wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    by: Duration,
    is_ahead: bool,
}

impl Skew {
    /// `date` is the answer's; `now` is since 1970, by our clock.
    pub fn of(date: Option<&str>, now: Duration) -> Option<Self> {
        let date = DateTime::from_str(date?, DateFormat::HttpDate).ok()?;
        let theirs = Duration::from_secs(u64::try_from(date.secs()).ok()?);
        let by = now.abs_diff(theirs);
        (SKEW_MIN <= by).then_some(Self {
            by,
            is_ahead: theirs < now,
        })
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.is_ahead { "ahead of" } else { "behind" };
        write!(
            formatter,
            "this machine's clock is {} s {side} AWS's",
            self.by.as_secs()
        )
    }
}

/// What of the credentials is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Clock,
    Expired,
    Key,
    Secret,
    /// No signature arrived, or a part of one.
    Signature,
}

impl Refused {
    /// `None`: the word is about something else.
    pub fn of(code: &str, skew: Option<Skew>) -> Option<Self> {
        Some(match code {
            "RequestExpired" | "RequestTimeTooSkewed" => Self::Clock,
            "InvalidSignatureException" | "SignatureDoesNotMatch" => match skew {
                Some(_) => Self::Clock,
                None => Self::Secret,
            },
            "ExpiredToken" | "ExpiredTokenException" => Self::Expired,
            "InvalidClientTokenId" | "UnrecognizedClientException" => Self::Key,
            "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException" => Self::Signature,
            _ => return None,
        })
    }

    pub fn hint(self) -> &'static str {
        match self {
            Self::Clock => {
                "set the clock of this machine right (NTP): AWS takes a request only within five minutes of its own time"
            }
            Self::Expired => {
                "give the process a new session token (AWS_SESSION_TOKEN, or the profile's), and restart it where it stands in the environment; a role of the task, service account or instance renews itself"
            }
            Self::Key => {
                "AWS does not know the access key: it was deleted or switched off, belongs to another partition (China, GovCloud), or is a temporary one (ASIA...) without its AWS_SESSION_TOKEN"
            }
            Self::Secret => {
                "the secret does not belong to the access key: compare AWS_SECRET_ACCESS_KEY (no quotes, no line end); or a proxy changes requests on their way"
            }
            Self::Signature => {
                "the request arrived without its whole signature: a proxy on the way removes headers, or `endpoint_url` leads elsewhere"
            }
        }
    }

    /// Not by waiting: nobody renews what is wrong.
    pub fn is_lasting(self) -> bool {
        self != Self::Expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Mon, 30 Nov 2026 03:00:00 GMT";
    const SECS: u64 = 1_796_007_600;

    fn skew(secs: i64) -> Option<Skew> {
        Skew::of(
            Some(DATE),
            Duration::from_secs(SECS.saturating_add_signed(secs)),
        )
    }

    #[test]
    fn a_clock_is_wrong_by_the_date_of_the_answer() {
        assert_eq!(skew(0), None);
        assert_eq!(skew(-200), None);
        let behind = skew(-7200).expect("two hours");
        assert_eq!(
            behind.to_string(),
            "this machine's clock is 7200 s behind AWS's"
        );
        let ahead = skew(400).expect("more than AWS takes");
        assert_eq!(
            ahead.to_string(),
            "this machine's clock is 400 s ahead of AWS's"
        );
        for date in [None, Some(""), Some("yesterday")] {
            assert_eq!(Skew::of(date, Duration::ZERO), None);
        }
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_secret() {
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch"] {
            assert_eq!(Refused::of(code, skew(-7200)), Some(Refused::Clock));
            assert_eq!(Refused::of(code, skew(1)), Some(Refused::Secret));
        }
        assert_eq!(
            Refused::of("RequestTimeTooSkewed", None),
            Some(Refused::Clock)
        );
    }

    #[test]
    fn each_refusal_has_its_own_remedy_and_only_an_expired_token_may_be_renewed_by_others() {
        let codes = [
            ("RequestExpired", Refused::Clock, "clock"),
            (
                "ExpiredTokenException",
                Refused::Expired,
                "AWS_SESSION_TOKEN",
            ),
            ("UnrecognizedClientException", Refused::Key, "access key"),
            (
                "SignatureDoesNotMatch",
                Refused::Secret,
                "AWS_SECRET_ACCESS_KEY",
            ),
            (
                "MissingAuthenticationTokenException",
                Refused::Signature,
                "proxy",
            ),
        ];
        for (code, wanted, hint) in codes {
            let refused = Refused::of(code, None).expect(code);
            assert_eq!(refused, wanted);
            assert!(refused.hint().contains(hint), "{code}");
            assert_eq!(refused.is_lasting(), wanted != Refused::Expired);
        }
        assert_eq!(Refused::of("ThrottlingException", None), None);
        assert_eq!(Refused::of("", skew(-7200)), None);
    }
}
