//! Which of the source's hosts is read.
//!
//! A checkpoint goes on where its position is from, while that server answers: there nothing is translated and
//! nothing comes again. Else the first host that can go on by GTID without a gap. One that lacks what has been
//! read but replicates is waited for, for a while; what is left is refused with every host's own reason.
//! The hosts are asked in the order of the settings; [`judge`] decides, without asking anybody.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use headwater_actors::{
    failure::{Class, Failure},
    progress::{Home, Resume},
};

use super::options::{Host, SourcePlan};
use super::{
    facts::Server,
    failure::joined,
    replication::Replication,
    resume::{Refusal, decide_resume},
    session::server,
};

/// For how long a server that lacks what has been read may catch up, over all launches in a row.
#[derive(Debug)]
pub struct CatchUpWait {
    limit: Duration,
    since: Mutex<Option<Instant>>,
}

impl CatchUpWait {
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: Mutex::new(None),
        }
    }

    /// What is left of it; it begins with the first question.
    fn left(&self, now: Instant) -> Option<Duration> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = now.saturating_duration_since(*since.get_or_insert(now));
        self.limit
            .checked_sub(waited)
            .filter(|left| !left.is_zero())
    }

    fn forget(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What one host means for the position that is stored.
#[derive(Debug, PartialEq)]
enum Answer {
    /// It is the server whose position this is.
    Home,
    /// By GTID, without a gap.
    GoesOn,
    /// It lacks what has been read and may still get it.
    Lags(Failure),
    Refuses(Failure),
}

impl Answer {
    /// Says which host it is that cannot be read.
    fn of(self, host: &Host) -> Self {
        match self {
            Self::Home | Self::GoesOn => self,
            Self::Lags(failure) => Self::Lags(failure.within(name(host))),
            Self::Refuses(failure) => Self::Refuses(failure.within(name(host))),
        }
    }
}

/// The plan with the host in front that is to be read; the others follow, for when it is gone.
///
/// # Errors
/// Transient while no host answers or one may still catch up; definite when none can go on.
pub async fn choose_host(
    plan: &SourcePlan,
    stored: Option<(Home, &Resume)>,
    catch_up: &CatchUpWait,
) -> Result<SourcePlan, Failure> {
    let mut answers = Vec::new();
    for host in &plan.hosts {
        let only = SourcePlan {
            hosts: vec![host.clone()],
            ..plan.clone()
        };
        let answer = match ask(&only, stored).await {
            Ok(answer) => answer,
            Err(failure) => Answer::Refuses(failure),
        };
        let is_enough = answer == Answer::Home || stored.is_none() && answer == Answer::GoesOn;
        answers.push((host, answer));
        if is_enough {
            break;
        }
    }
    let lags = answers
        .iter()
        .any(|(_, answer)| matches!(answer, Answer::Lags(_)));
    let left = if lags {
        catch_up.left(Instant::now())
    } else {
        None
    };
    let chosen = judge(&answers, left)?;
    catch_up.forget();
    for (host, answer) in &answers {
        if let Answer::Lags(failure) | Answer::Refuses(failure) = answer {
            tracing::warn!(host = %name(host), error = %failure, hint = failure.hint.as_deref(), "host passed over");
        }
    }
    let mut hosts = plan.hosts.clone();
    if chosen < hosts.len() {
        let first = hosts.remove(chosen);
        hosts.insert(0, first);
    }
    Ok(SourcePlan {
        hosts,
        ..plan.clone()
    })
}

async fn ask(plan: &SourcePlan, stored: Option<(Home, &Resume)>) -> Result<Answer, Failure> {
    let mut server = server(plan).await?;
    let answer = match stored {
        None => Answer::GoesOn,
        Some((home, resume)) => match compare(&mut server, home, resume).await {
            Ok(answer) => answer.of(&server.host()),
            Err(failure) => return Err(failure.within(name(&server.host()))),
        },
    };
    server.leave().await;
    Ok(answer)
}

async fn compare(server: &mut Server, home: Home, resume: &Resume) -> Result<Answer, Failure> {
    let facts = server.facts().await?;
    let is_home = facts.server_uuid == home.server_uuid;
    Ok(match decide_resume(home.server_uuid, resume, &facts) {
        Ok(_) if is_home => Answer::Home,
        Ok(_) => Answer::GoesOn,
        Err(Refusal::Never(failure)) => Answer::Refuses(failure),
        Err(Refusal::Lacks(failure)) => match server.replication().await? {
            Replication::Stopped => Answer::Refuses(failure),
            Replication::Runs | Replication::Hidden => Answer::Lags(failure),
        },
    })
}

/// The index of the host to read. `left` is for how long a server may still catch up.
fn judge(answers: &[(&Host, Answer)], left: Option<Duration>) -> Result<usize, Failure> {
    let first = |wanted: Answer| answers.iter().position(|(_, answer)| *answer == wanted);
    if let Some(chosen) = first(Answer::Home).or_else(|| first(Answer::GoesOn)) {
        return Ok(chosen);
    }
    let (mut said, mut hints) = (Vec::new(), Vec::new());
    let (mut lags, mut is_definite) = (false, false);
    for (_, answer) in answers {
        let failure = match answer {
            Answer::Home | Answer::GoesOn => continue,
            Answer::Lags(failure) => {
                lags = true;
                failure
            }
            Answer::Refuses(failure) => {
                is_definite |= failure.is_definite();
                failure
            }
        };
        said.push(failure.clone());
        hints.extend(failure.hint.clone().filter(|hint| !hints.contains(hint)));
    }
    let said = joined(said);
    let mut failure = match left {
        Some(left) if lags => {
            let secs = left.as_secs();
            Failure::transient(format!(
                "{said}; it replicates: waiting for them, for {secs} s more"
            ))
        }
        _ if lags || is_definite => said.with_class(Class::Definite),
        _ => said,
    };
    failure.hint = (!hints.is_empty()).then(|| hints.join("; "));
    Err(failure)
}

fn name(host: &Host) -> String {
    format!("{}:{}", host.name, host.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answers: Vec<Answer>, left: Option<u64>) -> Result<usize, Failure> {
        let hosts: Vec<_> = (0..answers.len())
            .map(|number| Host {
                name: format!("db{number}"),
                port: 3306,
            })
            .collect();
        let named = |(host, answer): (_, Answer)| (host, answer.of(host));
        let answers: Vec<_> = hosts.iter().zip(answers).map(named).collect();
        judge(&answers, left.map(Duration::from_secs))
    }

    fn refuses() -> Answer {
        Answer::Refuses(Failure::definite("it is another group's").with_hint("take it out"))
    }

    fn lags() -> Answer {
        Answer::Lags(Failure::definite("it lacks a:7-9").with_hint("wait"))
    }

    fn is_down() -> Answer {
        Answer::Refuses(Failure::transient("nobody answers"))
    }

    #[test]
    fn the_positions_own_server_goes_before_all_others_then_their_order_counts() {
        assert_eq!(judged(vec![Answer::GoesOn, Answer::Home], None), Ok(1));
        let answers = vec![refuses(), is_down(), Answer::GoesOn, Answer::GoesOn];
        assert_eq!(judged(answers, None), Ok(2));
        assert_eq!(judged(vec![lags(), Answer::GoesOn], Some(9)), Ok(1));
    }

    #[test]
    fn a_server_that_lags_is_waited_for_up_to_the_limit() {
        let failure = judged(vec![is_down(), lags(), refuses()], Some(9)).expect_err("none");
        assert!(!failure.is_definite());
        for word in [
            "db1:3306: it lacks a:7-9",
            "9 s more",
            "db0:3306: nobody",
            "db2:3306",
        ] {
            assert!(failure.to_string().contains(word), "{failure}");
        }
        let failure = judged(vec![is_down(), lags()], None).expect_err("none");
        assert!(failure.is_definite() && !failure.to_string().contains("waiting"));
    }

    #[test]
    fn one_refusal_halts_and_silence_does_not() {
        let failure = judged(vec![is_down(), refuses()], None).expect_err("none");
        assert!(failure.is_definite());
        assert_eq!(failure.hint.as_deref(), Some("take it out"));
        let failure = judged(vec![is_down(), is_down()], None).expect_err("none");
        assert!(!failure.is_definite());
    }

    #[test]
    fn the_wait_ends_and_begins_anew_after_a_success() {
        let (catch_up, now) = (CatchUpWait::new(Duration::from_secs(10)), Instant::now());
        let after = |secs| now + Duration::from_secs(secs);
        assert_eq!(catch_up.left(now), Some(Duration::from_secs(10)));
        assert_eq!(catch_up.left(after(9)), Some(Duration::from_secs(1)));
        assert_eq!(catch_up.left(after(10)), None);
        catch_up.forget();
        assert_eq!(catch_up.left(after(20)), Some(Duration::from_secs(10)));
        assert_eq!(CatchUpWait::new(Duration::ZERO).left(now), None);
    }
}
